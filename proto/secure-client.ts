import { isIP } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { type ChannelOptions, Client, credentials } from '@grpc/grpc-js'
import { isLoopback } from '../common/proxy.js'

/** Whom to trust, and who we are where that is asked. All PEM. */
export interface TlsIdentity {
  /** The cluster's certificate authority; empty: those that the system, and Node's NODE_EXTRA_CA_CERTS, trust. */
  readonly ca: string
  readonly certificate?: string
  readonly key?: string
  /** Whose certificate the server must show, by its common name, beside one for its address. */
  readonly holder?: string
}

/** Sent instead of an address, which may not be a name of a server in TLS (RFC 6066, 3). */
const nameForAddresses = 'spell'

/** A gRPC client of one `host:port`, not yet connected. The server must show a certificate for that host. */
export function secureClient(address: string, tls: TlsIdentity, options: ChannelOptions): Client {
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '')
  const isAddress = isIP(host) !== 0
  const secrets = credentials.createSsl(
    tls.ca === '' ? null : Buffer.from(tls.ca),
    tls.key === undefined ? null : Buffer.from(tls.key),
    tls.certificate === undefined ? null : Buffer.from(tls.certificate),
    {
      checkServerIdentity: (name, certificate) =>
        checkServerIdentity(isAddress ? host : name, certificate) ?? checkHolder(tls, certificate),
    },
  )
  const name = isAddress ? { 'grpc.ssl_target_name_override': nameForAddresses } : {}
  const proxy = isLoopback(host) ? { 'grpc.enable_http_proxy': 0 } : {}
  return new Client(address, secrets, { ...options, ...name, ...proxy })
}

function checkHolder({ holder }: TlsIdentity, { subject }: PeerCertificate): Error | undefined {
  if (holder === undefined || subject.CN === holder) return undefined
  return new Error(`The certificate shown is that of ${subject.CN}, not that of ${holder}.`)
}

/** For every connection that a program of ours opens. */
export function channelOptions(keepaliveMs: number, maxMessageBytes: number): ChannelOptions {
  return {
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': Math.min(10_000, keepaliveMs),
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': 200,
    'grpc.max_reconnect_backoff_ms': 5_000,
    'grpc.max_receive_message_length': 2 * maxMessageBytes,
    'grpc.enable_retries': 0,
    // What channelz would keep of every call nobody asks for, and it costs a tenth of a call.
    'grpc.enable_channelz': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.service_config_disable_resolution': 1,
  }
}
