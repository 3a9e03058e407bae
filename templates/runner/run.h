// The modes that take inputs: pictures and tensors from files, frames and tensors from a stream.
#pragma once

#include "bundle.h"
#include "options.h"

// Throws Failure (usage) when --shape names no input of the model, or a shape that the model does not take.
void check_shapes(const Bundle& bundle, const Options& options);

// Each prints one JSON line per inference and returns the exit code.
int run_paths(const Bundle& bundle, const Options& options);
int run_stream(const Bundle& bundle, const Options& options);

// Writes the pixels that the model is fed for each picture, RGB24, to standard output.
int run_preprocess(const Bundle& bundle, const Options& options);
