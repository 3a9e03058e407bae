// The command line.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "bundle.h"

enum class Mode { kInfo, kRun, kStream, kBench, kSelfTest, kProfile, kPreprocess, kHelp };

struct Options {
  Mode mode = Mode::kHelp;
  std::string bundle;
  std::vector<std::string> paths;
  int threads = 0;   // 0: bundle.json's
  int samples = 0;   // 0: 256, or what the budgets' percentiles need
  int warmup = 8;
  int passes = -1;   // of the whole pipeline; -1: 64, or what the budgets' percentiles need
  std::vector<double> afters;  // seconds of load after which the pipeline is measured, beside what budgets ask
  bool sustained = false;      // measure also budgets that take more than 10 s of load
  int top = 3;
  bool bench = true;
  bool csv = false;   // of a stream of samples: lines of numbers, not raw float32
  bool events = false;  // print only what begins or ends something, and what went wrong
  bool mark = false;  // tell an emulator where each inference begins and ends
  int frame_width = 0;
  int frame_height = 0;
  bool ppm = false;  // of a stream of frames: each is a PPM picture and says its size
  std::map<std::string, Shape> shapes;
  std::string raw_output;
  std::string masks;  // a folder for the masks of a segmentation
  std::string evidence = "device";
  std::string bundle_digest;
};

extern const char kUsageText[];

// Throws Failure (usage).
Options parse_options(int count, char** words);
