// Regression: the first output's numbers, each with its name and, where the task's options give one, its unit.
#pragma once

#include <string>
#include <vector>

#include "elements.h"
#include "failure.h"
#include "json.h"
#include "model.h"

inline std::vector<std::string> task_words(const Bundle& bundle, const char* option) {
  std::vector<std::string> words;
  if (const Json* given = bundle.task_options.find(option)) {
    for (const Json& word : given->items()) words.push_back(word.text());
  }
  return words;
}

// Throws Failure (integrity) when the options name another number of values than the first output has.
inline void check_regression(const Bundle& bundle) {
  const TensorSpec& output = bundle.outputs.front();
  for (const char* option : {"names", "units"}) {
    const std::vector<std::string> words = task_words(bundle, option);
    if (!words.empty() && words.size() != elements(output.shape)) {
      throw Failure(kIntegrity, "bundle.json has " + std::to_string(words.size()) + " " + option + " for output " +
                                    output.name + " of " + shown(output.shape));
    }
  }
}

inline void print_regression(JsonWriter& line, const Bundle& bundle, const std::vector<View>& outputs, int) {
  const View& view = outputs.front();
  const std::vector<std::string> names = task_words(bundle, "names"), units = task_words(bundle, "units");
  line.key("values").open('[');
  for (std::size_t i = 0; i < view.count(); ++i) {
    line.open('{').field("name", i < names.size() ? names[i] : std::to_string(i));
    write_element(line.key("value"), view, i);
    if (i < units.size()) line.field("unit", units[i]);
    line.close('}');
  }
  line.close(']');
}
