// JSON: a strict reader (RFC 8259, no duplicate keys, limited depth) and a writer that keeps the commas.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

// One value. The accessors throw Failure (integrity), naming the key, when the value is not of the kind asked for.
class Json {
 public:
  enum class Kind { kNull, kBoolean, kNumber, kText, kArray, kObject };

  // Parses a whole text; `name` is what messages call it. Throws Failure (integrity).
  static Json parse(const std::string& text, const std::string& name);

  const Json& at(const std::string& key) const;
  const Json* find(const std::string& key) const;
  const std::string& text() const;
  double number() const;
  bool boolean() const;
  std::int64_t integer(std::int64_t least, std::int64_t most) const;
  const std::vector<Json>& items() const;

 private:
  friend class JsonReader;

  [[noreturn]] void wrong(const std::string& expected) const;

  Kind kind_ = Kind::kNull;
  bool boolean_ = false;
  double number_ = 0;
  std::string text_;
  std::string where_;
  std::vector<Json> items_;
  std::vector<std::pair<std::string, Json>> members_;
};

constexpr int kDigits = 9;        // they tell any two numbers of single precision apart
constexpr int kExactDigits = 17;  // and these of double precision

// Builds one line of JSON. Numbers that are not finite become null; text that is not UTF-8 gets U+FFFD.
class JsonWriter {
 public:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& key(const char* name);
  JsonWriter& value(const std::string& text);
  JsonWriter& value(const char* text) { return value(std::string(text)); }
  JsonWriter& value(double number, int digits = kDigits);
  JsonWriter& value(float number);
  JsonWriter& value(std::int64_t number);
  JsonWriter& value(std::int32_t number) { return value(std::int64_t{number}); }
  JsonWriter& value(bool flag);
  JsonWriter& null();
  JsonWriter& embed(const JsonWriter& whole) { return raw(whole.text().c_str()); }
  template <typename T>
  JsonWriter& field(const char* name, const T& what) {
    key(name);
    return value(what);
  }
  const std::string& text() const { return out_; }

 private:
  JsonWriter& raw(const char* token);
  void separate();

  std::string out_;
  bool fresh_ = true;
};
