"""The Arm CPUs that can be emulated, and the names of those that devices report."""

from dataclasses import dataclass

_V8 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_V8_2 = f"{_V8} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"

# "CPU part" of /proc/cpuinfo for implementer 0x41 (Arm): the part numbers of MIDR_EL1 in each core's manual
PARTS = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd0d": "Cortex-A77",
    "0xd40": "Neoverse-V1",
    "0xd41": "Cortex-A78",
    "0xd44": "Cortex-X1",
    "0xd46": "Cortex-A510",
    "0xd47": "Cortex-A710",
    "0xd48": "Cortex-X2",
    "0xd49": "Neoverse-N2",
    "0xd4d": "Cortex-A715",
    "0xd4e": "Cortex-X3",
    "0xd80": "Cortex-A520",
    "0xd81": "Cortex-A720",
    "0xd82": "Cortex-X4",
}


@dataclass(frozen=True)
class Profile:
    """A CPU as a program meets it under QEMU.

    Attributes:
        model: QEMU's name of a CPU with its instructions. QEMU 7.2 has no A55 and no N2: the A55 executes what the A76
            does (Armv8.2 with dot products), and "max" without SVE and SME has the N2's other int8 instructions.
        part: what it says it is; the runtimes choose their kernels by that and by the features.
        features: of /proc/cpuinfo. A feature that `model` lacks would end in an illegal instruction.
    """

    model: str
    part: str
    features: str

    @property
    def cpuinfo(self) -> str:
        """One core, as /proc/cpuinfo of an Arm Linux shows it."""
        rows = {
            "processor": "0",
            "BogoMIPS": "48.00",
            "Features": self.features,
            "CPU implementer": "0x41",
            "CPU architecture": "8",
            "CPU variant": "0x1",
            "CPU part": self.part,
            "CPU revision": "0",
        }
        return "".join(f"{name}\t: {value}\n" for name, value in rows.items()) + "\n"


PROFILES = {
    "cortex-a53": Profile("cortex-a53", "0xd03", _V8),
    "cortex-a55": Profile("cortex-a76", "0xd05", _V8_2),
    "cortex-a72": Profile("cortex-a72", "0xd08", _V8),
    "cortex-a76": Profile("cortex-a76", "0xd0b", _V8_2),
    "neoverse-n1": Profile("neoverse-n1", "0xd0c", _V8_2),
    # The A710's twin; under the A710's own number the runtimes crash here. With SME, QEMU 7.2 computes int8 wrongly.
    "neoverse-n2": Profile("max,sve=off,sme=off", "0xd49", f"{_V8_2} i8mm bf16"),
}
