"""Write targets/measured.py: `python -m benchmarks.kernel_probes`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.kernel_probes.probes import DEVICES, PROBES, measure, sweep

HEAD = '''"""What the installed runtimes make of every probe. Generated: python -m benchmarks.kernel_probes"""

from .probe_result import Measured

# profile -> (runtime, {probe: what came of it})
MEASURED: dict[str, tuple[str, dict[str, Measured]]] = {
'''


def main() -> None:
    lines = [HEAD]
    for profile, device in DEVICES.items():
        lines.append(f'    "{profile}": (\n        "{device.version}",\n        {{\n')
        for name in PROBES:
            found = measure(device, name)
            facts = (found.integer, found.delegated, found.steps, sweep(device, name))
            lines.append(f'            "{name}": Measured({", ".join(map(str, facts))}),\n')
        lines.append("        },\n    ),\n")
    (Path(__file__).parents[2] / "targets" / "measured.py").write_text("".join([*lines, "}\n"]))


if __name__ == "__main__":
    main()
