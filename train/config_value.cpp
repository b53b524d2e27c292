#include "train/config_value.h"

#include <span>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "data/json_writer.h"
#include "data/text.h"

namespace mld {
namespace {

// Overloads for std::visit.
template <class... Functions>
struct Overload : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overload(Functions...) -> Overload<Functions...>;

// The shortest text that reads back as the same number, with a decimal point, so that TOML does not
// take it for an integer.
std::string number_text(double value) {
  std::string text = fmt::format("{}", value);
  return text.find_first_of(".einf") == std::string::npos ? text + ".0" : text;
}

std::string list_text(std::span<const double> numbers) {
  std::string text = "[";
  for (const double number : numbers) {
    text += (text.size() > 1 ? ", " : "") + number_text(number);
  }
  return text + "]";
}

std::string toml_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      quoted += fmt::format("\\u{:04X}", byte);
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace

std::string_view type_name(const Value& value) {
  constexpr std::string_view names[] = {"text",          "integer",     "number",
                                        "true or false", "two numbers", "two numbers or []",
                                        "a list of numbers"};
  return names[value.index()];
}

std::string to_toml_value(const Value& value) {
  return std::visit(
      Overload{[](const std::string& text) { return toml_string(text); },
               [](int64_t number) { return fmt::format("{}", number); },
               [](double number) { return number_text(number); },
               [](bool flag) { return std::string(flag ? "true" : "false"); },
               [](const Pair& pair) { return list_text(pair); },
               [](const std::optional<Pair>& pair) {
                 return pair ? list_text(*pair) : std::string("[]");
               },
               [](const std::vector<double>& numbers) { return list_text(numbers); }},
      value);
}

void write_value(JsonWriter& json, const Value& value) {
  std::visit(Overload{[&](const Pair& pair) { json.values(pair); },
                      [&](const std::optional<Pair>& pair) {
                        pair ? json.values(*pair) : json.array().end();
                      },
                      [&](const std::vector<double>& numbers) { json.values(numbers); },
                      [&](const auto& plain) { json.value(plain); }},
             value);
}

std::string describe(const GivenValue& value) {
  return std::visit(
      Overload{[](const std::string& text) {
                 return fmt::format("the text \"{}\"", printable(text));
               },
               [](int64_t number) { return fmt::format("the integer {}", number); },
               [](double number) { return fmt::format("the number {}", number); },
               [](bool flag) { return std::string(flag ? "true" : "false"); },
               [](const std::vector<double>& numbers) {
                 return fmt::format("[{}]", fmt::join(numbers, ", "));
               },
               [](const OtherValue& other) { return other.kind; }},
      value);
}

}  // namespace mld
