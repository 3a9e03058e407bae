// The one kind of error that the runner reports: a message for stderr and the exit code that goes with it.
#pragma once

#include <string>
#include <utility>

enum Exit {
  kOk = 0,
  kBug = 1,
  kUsage = 2,
  kModel = 4,
  kBudget = 5,
  kIntegrity = 7,
  kEnvironment = 8,
  kInterrupted = 130,
};

struct Failure {
  Failure(int code, std::string message) : code(code), message(std::move(message)) {}

  int code;
  std::string message;
};
