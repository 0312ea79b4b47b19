"""This file holds what `export` is asked for and what it answers."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Job:
    """What `export` was asked for; the names are those of its options."""

    model: str
    target: str = "tflite"
    precision: str = "fp32"
    weights: str = "auto"
    seed: int = 0
    num_classes: int | None = None
    input_shape: tuple[int, int, int] | None = None
    input_layout: str = "nhwc"
    calibration_data: str | None = None
    num_calibration_samples: int | None = None
    validation_data: str | None = None
    num_validation_samples: int = 50
    output_dir: str = "artifacts"
    num_runs: int = 50
    warmup_runs: int = 5
    threads: int = 1
    validate: bool = True
    benchmark: bool = True

    @property
    def precisions(self) -> tuple[str, ...]:
        """What is built: an int8 artifact that is timed needs its float twin to be compared with."""
        return ("fp32", "int8") if self.precision == "int8" and self.benchmark else (self.precision,)


@dataclass(frozen=True, kw_only=True)
class Result:
    """One artifact, with the names that `--json` prints; None for what was not asked for."""

    model: str
    weights: str
    target: str
    precision: str
    artifact: str
    manifest: str
    size_bytes: int
    agreement: dict[str, float | None] | None
    latency: dict[str, float] | None
    ratio: float | None  # of the median to the float twin's
    seconds: dict[str, float]
    peak_rss_mb: float
    delegate_partitions: int | None
    verdict: str
