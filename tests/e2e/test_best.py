"""The runner's collection of the best candidates is a stable sort cut off, ties and all; compiled and run here."""

import shutil
import subprocess
from pathlib import Path

import pytest

TASKS = Path(__file__).resolve().parents[2] / "templates" / "runner" / "tasks"
PROGRAM = """
#include <cstdio>
#include <random>

#include "best.h"

struct Item {
  double score;
  int number;
};

int main() {
  std::mt19937 random(1);
  for (int trial = 0; trial < 2000; ++trial) {
    const std::size_t most = 1 + random() % 50, count = random() % 600;
    const unsigned values = 1 + random() % 40;  // few: many are equal
    std::vector<Item> all;
    Best<Item> best(most);
    for (std::size_t i = 0; i < count; ++i) {
      const Item item{trial % 3 == 0 ? static_cast<double>(i) : random() % values / 8.0, static_cast<int>(i)};
      all.push_back(item);
      best.add(item);
    }
    std::stable_sort(all.begin(), all.end(), [](const Item& a, const Item& b) { return a.score > b.score; });
    if (all.size() > most) all.resize(most);
    const std::vector<Item> found = best.sorted();
    bool same = found.size() == all.size();
    for (std::size_t i = 0; same && i < all.size(); ++i) same = found[i].number == all[i].number;
    if (!same) return std::printf("trial %d: other items\\n", trial), 1;
  }
  return 0;
}
"""


@pytest.mark.skipif(not shutil.which("c++"), reason="no C++ compiler is installed")
def test_it_is_a_stable_sort_cut_off(tmp_path):
    (tmp_path / "main.cpp").write_text(PROGRAM)
    command = ["c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-I", TASKS, tmp_path / "main.cpp", "-o", tmp_path / "main"]
    subprocess.run(command, check=True)
    done = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
