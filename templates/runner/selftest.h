// The bundle's verification of itself: golden vectors, then the bench, then the budgets that only a device can judge.
#pragma once

#include "bundle.h"
#include "options.h"

// Prints the verification record (docs/bundle.md) and returns the exit code.
int self_test(const Bundle& bundle, const Options& options);
