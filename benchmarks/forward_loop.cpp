// A bare Module::forward loop: the baseline that the runner's latency is held against (docs/benchmarks.md).
//
//   forward_loop MODEL.pte INPUT.bin THREADS SAMPLES D0 D1 …     prints the median in seconds
//
// Build it with the same compiler, flags and libraries as the runner (`python benchmarks/runner.py` does).
#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  bool _unsafe_reset_threadpool(std::uint32_t new_thread_count);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

int main(int count, char** words) {
  if (count < 6) return 2;
  executorch::extension::threadpool::get_threadpool()->_unsafe_reset_threadpool(
      static_cast<std::uint32_t>(std::atoi(words[3])));
  const int samples = std::atoi(words[4]);
  std::vector<executorch::aten::SizesType> sizes;
  std::size_t elements = 1;
  for (int i = 5; i < count; ++i) {
    sizes.push_back(std::atoi(words[i]));
    elements *= static_cast<std::size_t>(sizes.back());
  }
  std::vector<float> input(elements);
  FILE* file = std::fopen(words[2], "rb");
  if (file == nullptr || std::fread(input.data(), sizeof(float), elements, file) != elements) return 8;
  std::fclose(file);

  executorch::extension::Module module(words[1]);
  const auto tensor = executorch::extension::from_blob(input.data(), sizes);
  std::vector<double> latencies;
  for (int i = -8; i < samples; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const auto result = module.forward(tensor);
    const std::chrono::duration<double> latency = std::chrono::steady_clock::now() - start;
    if (!result.ok()) return 4;
    if (i >= 0) latencies.push_back(latency.count());
  }
  std::sort(latencies.begin(), latencies.end());
  std::printf("%.9f\n", latencies[latencies.size() / 2]);
  return 0;
}
