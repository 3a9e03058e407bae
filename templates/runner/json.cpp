#include "json.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "failure.h"
#include "utf8.h"

class JsonReader {
 public:
  JsonReader(const std::string& text, const std::string& name) : text_(text), name_(name) {}

  Json document() {
    Json value = read(0, name_);
    space();
    if (at_ != text_.size()) fail("text after the end of the document");
    return value;
  }

 private:
  static constexpr int kDepth = 32;

  [[noreturn]] void fail(const char* what) const {
    throw Failure(kIntegrity, name_ + " is not valid JSON: " + what + " at byte " + std::to_string(at_));
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void space() {
    while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_]) != nullptr && text_[at_] != '\0') ++at_;
  }

  void expect(const char* token) {
    if (text_.compare(at_, std::strlen(token), token) != 0) fail("unexpected character");
    at_ += std::strlen(token);
  }

  Json read(int depth, const std::string& where) {
    if (depth > kDepth) fail("nested too deep");
    space();
    Json value;
    value.where_ = where;
    switch (peek()) {
      case '{': object(value, depth); break;
      case '[': array(value, depth); break;
      case '"': value.kind_ = Json::Kind::kText; value.text_ = string(); break;
      case 't': expect("true"); value.kind_ = Json::Kind::kBoolean; value.boolean_ = true; break;
      case 'f': expect("false"); value.kind_ = Json::Kind::kBoolean; break;
      case 'n': expect("null"); break;
      default: value.kind_ = Json::Kind::kNumber; value.number_ = number();
    }
    return value;
  }

  void object(Json& value, int depth) {
    value.kind_ = Json::Kind::kObject;
    expect("{");
    for (space(); peek() != '}'; space()) {
      if (!value.members_.empty()) { expect(","); space(); }
      const std::string key = string();
      if (value.find(key) != nullptr) fail("a key is there twice");
      space();
      expect(":");
      Json member = read(depth + 1, value.where_ + "." + key);
      value.members_.emplace_back(key, std::move(member));
    }
    expect("}");
  }

  void array(Json& value, int depth) {
    value.kind_ = Json::Kind::kArray;
    expect("[");
    for (space(); peek() != ']'; space()) {
      if (!value.items_.empty()) expect(",");
      value.items_.push_back(read(depth + 1, value.where_ + "[" + std::to_string(value.items_.size()) + "]"));
    }
    expect("]");
  }

  void digits() {
    if (peek() < '0' || peek() > '9') fail("a number lacks digits");
    while (peek() >= '0' && peek() <= '9') ++at_;
  }

  double number() {
    const std::size_t start = at_;
    if (peek() == '-') ++at_;
    if (peek() == '0') ++at_; else digits();
    if (peek() == '.') { ++at_; digits(); }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      digits();
    }
    const double value = std::strtod(text_.substr(start, at_ - start).c_str(), nullptr);
    if (!std::isfinite(value)) fail("a number is too large");
    return value;
  }

  std::uint32_t hex4() {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = peek();
      if (c == '\0' || std::strchr("0123456789abcdefABCDEF", c) == nullptr) fail("a bad \\u escape");
      value = value * 16 + static_cast<std::uint32_t>(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return value;
  }

  void escape(std::string& out) {
    static const char kNames[] = "\"\\/bfnrt";
    static const char kMeanings[] = "\"\\/\b\f\n\r\t";
    const char c = peek();
    ++at_;
    if (c == 'u') {
      std::uint32_t point = hex4();
      if (point >= 0xD800 && point < 0xDC00) {
        expect("\\u");
        const std::uint32_t low = hex4();
        if (low < 0xDC00 || low > 0xDFFF) fail("a lone surrogate");
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
      } else if (point >= 0xDC00 && point <= 0xDFFF) {
        fail("a lone surrogate");
      }
      append_utf8(out, point);
      return;
    }
    const char* found = c == '\0' ? nullptr : std::strchr(kNames, c);
    if (found == nullptr) fail("an unknown escape");
    out += kMeanings[found - kNames];
  }

  std::string string() {
    std::string out;
    expect("\"");
    while (peek() != '"') {
      if (at_ >= text_.size()) fail("a string does not end");
      const char c = text_[at_++];
      if (static_cast<unsigned char>(c) < 0x20) fail("a control character in a string");
      if (c == '\\') escape(out); else out += c;
    }
    ++at_;
    return out;
  }

  const std::string& text_;
  const std::string& name_;
  std::size_t at_ = 0;
};

Json Json::parse(const std::string& text, const std::string& name) {
  if (valid_utf8(text) != text) throw Failure(kIntegrity, name + " is not UTF-8");
  return JsonReader(text, name).document();
}

void Json::wrong(const std::string& expected) const { throw Failure(kIntegrity, where_ + " must be " + expected); }

const Json* Json::find(const std::string& key) const {
  if (kind_ != Kind::kObject) wrong("an object");
  for (const auto& [name, value] : members_) {
    if (name == key) return &value;
  }
  return nullptr;
}

const Json& Json::at(const std::string& key) const {
  const Json* found = find(key);
  if (found == nullptr) throw Failure(kIntegrity, where_ + "." + key + " is missing");
  return *found;
}

const std::string& Json::text() const {
  if (kind_ != Kind::kText) wrong("a string");
  return text_;
}

double Json::number() const {
  if (kind_ != Kind::kNumber) wrong("a number");
  return number_;
}

bool Json::boolean() const {
  if (kind_ != Kind::kBoolean) wrong("true or false");
  return boolean_;
}

std::int64_t Json::integer(std::int64_t least, std::int64_t most) const {
  const std::string expected = "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  if (kind_ != Kind::kNumber || std::floor(number_) != number_) wrong(expected);
  if (number_ < static_cast<double>(least) || number_ > static_cast<double>(most)) wrong(expected);
  return static_cast<std::int64_t>(number_);
}

const std::vector<Json>& Json::items() const {
  if (kind_ != Kind::kArray) wrong("a list");
  return items_;
}

void JsonWriter::separate() {
  if (!fresh_) out_ += ", ";
  fresh_ = false;
}

JsonWriter& JsonWriter::raw(const char* token) {
  separate();
  out_ += token;
  return *this;
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  fresh_ = true;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_ += bracket;
  fresh_ = false;
  return *this;
}

JsonWriter& JsonWriter::key(const char* name) {
  value(name);
  out_ += ": ";
  fresh_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(const std::string& text) {
  separate();
  out_ += '"';
  for (const char c : valid_utf8(text)) {
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out_ += escaped;
    } else {
      out_ += c;
    }
  }
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::value(double number, int digits) {
  if (!std::isfinite(number)) return null();
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, number);
  return raw(text);
}

JsonWriter& JsonWriter::value(float number) { return value(static_cast<double>(number)); }

JsonWriter& JsonWriter::value(std::int64_t number) { return raw(std::to_string(number).c_str()); }

JsonWriter& JsonWriter::value(bool flag) { return raw(flag ? "true" : "false"); }

JsonWriter& JsonWriter::null() { return raw("null"); }
