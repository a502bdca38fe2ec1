import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../../common/log.js'
import { withPort } from '../listen-address.js'
import type { CoordinatorSettings } from '../settings.js'
import { DownloadServer } from './download-server.js'

/** Undefined: the settings ask for none. Throws when the certificate's files cannot be read. */
export function downloadServerOf(settings: CoordinatorSettings, log: Log): DownloadServer | undefined {
  const { downloadListen, downloadDir, dataDir, tls } = settings
  if (downloadListen === undefined) return undefined
  return new DownloadServer(
    { folder: downloadDir ?? join(dataDir, 'packages') },
    { certificate: readFileSync(tls.certFile), key: readFileSync(tls.keyFile), log },
  )
}

/** Begins to serve. Resolves with the address that others dial; undefined: nothing is served. */
export async function listenForDownloads(
  server: DownloadServer | undefined,
  { downloadListen, downloadAddress }: CoordinatorSettings,
): Promise<string | undefined> {
  if (!server || downloadListen === undefined) return undefined
  const port = await server.listen(downloadListen)
  return downloadAddress ?? withPort(downloadListen, port)
}
