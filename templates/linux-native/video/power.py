"""What the device draws, in watts, where it has a sensor that this user may read: INA3221, hwmon, or RAPL under sysfs."""

import glob
import os
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

SYSFS = "/sys"
LEAST_SECONDS = 0.5


class Rail(NamedTuple):
    """One measured supply; ``watts`` reads it, None where that fails."""

    label: str
    watts: Callable[[], Optional[float]]


class Sensor:
    """The rails of one device: its whole input where a rail is that, else their sum. Read at most twice a second."""

    def __init__(self, rails: List[Rail]) -> None:
        inputs = [rail for rail in rails if "IN" in rail.label.upper().replace("-", "_").split("_")]
        self.rails = inputs[:1] or rails
        self.name = " + ".join(rail.label for rail in self.rails)
        self.last: Tuple[float, Optional[Dict[str, Any]]] = (0.0, None)

    def read(self) -> Optional[Dict[str, Any]]:
        """Return ``watts`` and the rails' names, or None where one cannot be read now."""
        now = time.monotonic()
        if not self.last[0] or now - self.last[0] >= LEAST_SECONDS:
            values = [rail.watts() for rail in self.rails]
            known = [value for value in values if value is not None]
            whole = len(known) == len(values)
            self.last = now, ({"watts": round(sum(known), 3), "sensor": self.name} if whole else None)
        return self.last[1]


def find(sysfs: str = SYSFS) -> Optional[Sensor]:
    """Return the best sensor there is: one of the board before one of the processor; None without any."""
    for rails in (jetpack_4(sysfs), hwmon(sysfs), rapl(sysfs)):
        # Asked twice: a counter of energy has no watts the first time.
        found = [rail for rail in rails if rail.watts() is not None or rail.watts() is not None]
        if found:
            return Sensor(found)
    return None


def jetpack_4(sysfs: str) -> List[Rail]:
    """INA3221 through NVIDIA's older driver: milliwatts and a name for each rail."""
    rails = []
    for path in sorted(glob.glob(sysfs + "/bus/i2c/drivers/ina3221x/*/iio:device*/in_power[0-9]_input")):
        number = path[: -len("_input")][-1]
        label = text(os.path.join(os.path.dirname(path), "rail_name_" + number)) or "rail " + number
        rails.append(Rail(label, scaled(path, 1e-3)))
    return rails


def hwmon(sysfs: str) -> List[Rail]:
    """Sensors of the kernel's hwmon: microwatts, or with an INA3221 millivolts and milliamperes of channels in use."""
    rails = []
    for folder in sorted(glob.glob(sysfs + "/class/hwmon/hwmon*")):
        chip = text(folder + "/name") or os.path.basename(folder)
        inputs = glob.glob(folder + "/power[0-9]_input")
        averages = glob.glob(folder + "/power[0-9]_average")  # the same supply where it has an input too
        powers = sorted(inputs + [path for path in averages if path[: -len("average")] + "input" not in inputs])
        for path in powers:
            label = text(path.rsplit("_", 1)[0] + "_label") or chip
            rails.append(Rail(label, scaled(path, 1e-6)))
        if chip == "ina3221" and not powers:
            rails += channels(folder)
    return rails


def channels(folder: str) -> List[Rail]:
    """The three inputs of an INA3221 that the kernel's own driver reads; a fourth is only their sum."""
    rails = []
    for number in "123":
        label = text(f"{folder}/in{number}_label")
        if label and label != "NC" and text(f"{folder}/in{number}_enable") != "0":
            volts, amperes = scaled(f"{folder}/in{number}_input", 1e-3), scaled(f"{folder}/curr{number}_input", 1e-3)
            rails.append(Rail(label, product(volts, amperes)))
    return rails


def rapl(sysfs: str) -> List[Rail]:
    """Intel's and AMD's energy counters of whole processor packages: watts are the difference over time."""
    rails = []
    for folder in sorted(glob.glob(sysfs + "/class/powercap/intel-rapl:*")):
        name = text(folder + "/name") or ""
        if name.startswith("package"):
            counter, most = scaled(folder + "/energy_uj", 1e-6), scaled(folder + "/max_energy_range_uj", 1e-6)()
            rails.append(Rail(name, Rise(counter, most or 0.0)))
    return rails


class Rise:
    """Watts from a counter of joules that begins again at ``most``."""

    def __init__(self, counter: Callable[[], Optional[float]], most: float) -> None:
        self.counter, self.most = counter, most
        self.before: Optional[Tuple[float, float]] = None

    def __call__(self) -> Optional[float]:
        joules, now = self.counter(), time.monotonic()
        before, self.before = self.before, (joules, now) if joules is not None else None
        if joules is None or before is None or now <= before[1]:
            return None
        rise = joules - before[0]
        return (rise if rise >= 0 else rise + self.most) / (now - before[1])


def text(path: str) -> Optional[str]:
    """Return what a small file holds, None where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(4096).strip()
    except OSError:
        return None


def scaled(path: str, factor: float) -> Callable[[], Optional[float]]:
    """Return a function that reads a number from a file."""

    def read() -> Optional[float]:
        try:
            return float(text(path) or "") * factor
        except ValueError:
            return None

    return read


def product(one: Callable[[], Optional[float]], other: Callable[[], Optional[float]]) -> Callable[[], Optional[float]]:
    """Return a function that multiplies what two others read."""

    def read() -> Optional[float]:
        left, right = one(), other()
        return None if left is None or right is None else left * right

    return read
