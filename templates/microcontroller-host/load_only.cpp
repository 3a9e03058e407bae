// Loads the model of a bundle and tells what it keeps: for programs whose kernels or delegates no build machine has.

#include <cstdio>

#include "edgec_sizes.h"
#include "model.h"

int main() {
  const edgec::Error error = edgec::load();
  if (error != edgec::Error::Ok) {
    std::printf("FAIL: the model does not load, ExecuTorch error 0x%lx\n", static_cast<unsigned long>(error));
    return 4;
  }
  std::printf("method pool: %lu of %lu bytes\n", static_cast<unsigned long>(edgec::used().method),
              static_cast<unsigned long>(EDGEC_METHOD_POOL_BYTES));
  std::printf("LOADED\n");
  return 0;
}
