/**
 * Models that a machine type may name though no node of this pool has ever had one, as the cluster writes them. A model
 * that is not in this list becomes known with the first node that brings one.
 */
export const knownGpuModels: readonly string[] = [
  ...['K40', 'K80', 'M4', 'M40', 'M60', 'P4', 'P40', 'P100', 'P100-12GB', 'P100-16GB'],
  ...['V100', 'V100-16GB', 'V100-32GB', 'T4', 'T4G', 'T40', 'TITAN-V', 'TITAN-X', 'TITAN-Xp', 'TITAN-RTX'],
  ...['A2', 'A10', 'A10G', 'A16', 'A30', 'A40', 'A100', 'A100-40GB', 'A100-80GB', 'A800'],
  ...['H100', 'H100-80GB', 'H100-NVL', 'H200', 'H200-NVL', 'H800', 'GH200', 'L4', 'L20', 'L40', 'L40S'],
  ...['B100', 'B200', 'B300', 'GB200', 'GB300'],
  ...['GTX-1080', 'GTX-1080-Ti', 'GTX-1660', 'GTX-1660-Ti', 'RTX-2080', 'RTX-2080-Ti'],
  ...['RTX-3060', 'RTX-3070', 'RTX-3080', 'RTX-3080-Ti', 'RTX-3090', 'RTX-3090-Ti'],
  ...['RTX-4060', 'RTX-4070', 'RTX-4080', 'RTX-4090', 'RTX-5070', 'RTX-5080', 'RTX-5090'],
  ...['RTX-4000', 'RTX-5000', 'RTX-6000', 'RTX-8000', 'RTX-A2000', 'RTX-A4000', 'RTX-A4500', 'RTX-A5000'],
  ...['RTX-A5500', 'RTX-A6000'],
]

/**
 * The machine type's base name for a device, from the name that its driver gives. The rule: drop the maker and the
 * product line (NVIDIA, Tesla, GeForce, Quadro), the socket (SXM4, PCIe), the kind of memory (HBM3), the words GPU and
 * Generation, and what stands in brackets; join what is left with dashes; a size of memory goes last.
 *
 * `Tesla T4` → T4, `NVIDIA A100-SXM4-80GB` → A100-80GB, `NVIDIA H100 80GB HBM3` → H100-80GB, `NVIDIA GeForce RTX 3090` →
 * RTX-3090. A MIG device adds its profile: `NVIDIA A100-SXM4-80GB MIG 1g.10gb` → A100-80GB-1g.10gb; where the driver
 * names only the profile, the model is its parent's.
 */
export function gpuTypeName(driverName: string, parentDriverName = ''): string {
  const profile = /\b(?:\d+c\.)?\d+g\.\d+gb(?:[+-]\w+(?:\.\w+)*)*/i.exec(driverName)?.[0].toLowerCase()
  const whole = driverName.replace(/\bMIG\b.*$/i, '').trim() || parentDriverName
  const memory = /\b(\d+)\s*GB\b/i.exec(whole)?.[1]
  const words = whole
    .replace(/\([^)]*\)/g, ' ')
    .replace(/\b\d+\s*GB\b/gi, ' ')
    .split(/[\s\-_]+/)
    .filter((word) => word !== '' && !droppedWord.test(word))
  return [...(words.length > 0 ? words : ['GPU']), memory && `${memory}GB`, profile]
    .filter((part) => part !== undefined)
    .join('-')
}

const droppedWord =
  /^(nvidia|tesla|geforce|quadro|graphics|device|gpu|generation|sxm\d*|pcie?|pci|e|hbm\d\w*)$/i

/** A type's name without the size of its memory: V100-16GB → V100, A100-80GB-1g.10gb → A100-1g.10gb. */
export function gpuFamily(typeName: string): string {
  return typeName.replace(/-\d+GB(?=$|-)/, '')
}
