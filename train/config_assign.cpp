// Checking values against the key table.
#include <algorithm>
#include <cmath>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "data/text.h"
#include "train/config_keys.h"

namespace mld {
namespace {

std::string expected(const Key& key, const Value& current) {
  if (!key.choices.empty()) {
    return fmt::format("one of {}", fmt::join(key.choices, ", "));
  }
  if (key.colour) {
    return "\"\" or a colour such as \"#ffffff\"";
  }
  std::string text(type_name(current));
  const bool low = std::isfinite(key.minimum), high = std::isfinite(key.maximum);
  if (low && high) {
    text += fmt::format(" from {} to {}", key.minimum, key.maximum);
  } else if (low) {
    text += fmt::format(", {} or more", key.minimum);
  }
  return text;
}

bool fits(const Key& key, const std::string& text) {
  return (key.choices.empty() || std::ranges::count(key.choices, text) > 0) &&
         (!key.colour || colour_of(text));
}
bool fits(const Key& key, double number) {
  return std::isfinite(number) && number >= key.minimum && number <= key.maximum;
}
bool fits(const Key& key, int64_t number) { return fits(key, static_cast<double>(number)); }
bool fits(const Key&, bool) { return true; }
bool fits(const Key& key, const std::vector<double>& numbers) {
  return std::ranges::all_of(numbers, [&key](double number) { return fits(key, number); });
}

// Each returns a value of the key's type, or nullopt if the given value is not acceptable.
template <class T>  // text, an integer, true or false, a list of numbers
std::optional<Value> accept(const Key& key, const GivenValue& given, const T&) {
  const T* same = std::get_if<T>(&given);
  return same != nullptr && fits(key, *same) ? std::optional<Value>(*same) : std::nullopt;
}

std::optional<Value> accept(const Key& key, const GivenValue& given, double) {
  double number = NAN;
  if (const auto* real = std::get_if<double>(&given)) {
    number = *real;
  } else if (const auto* integer = std::get_if<int64_t>(&given)) {
    number = static_cast<double>(*integer);
  }
  return fits(key, number) ? std::optional<Value>(number) : std::nullopt;
}

std::optional<Value> accept(const Key& key, const GivenValue& given, const Pair&) {
  const auto* numbers = std::get_if<std::vector<double>>(&given);
  const bool good = numbers != nullptr && numbers->size() == 2 && fits(key, (*numbers)[0]) &&
                    fits(key, (*numbers)[1]);
  return good ? std::optional<Value>(Pair{(*numbers)[0], (*numbers)[1]}) : std::nullopt;
}

std::optional<Value> accept(const Key& key, const GivenValue& given, const std::optional<Pair>&) {
  const auto* numbers = std::get_if<std::vector<double>>(&given);
  if (numbers != nullptr && numbers->empty()) {
    return Value(std::optional<Pair>());
  }
  const std::optional<Value> pair = accept(key, given, Pair{});
  return pair ? std::optional<Value>(std::optional<Pair>(std::get<Pair>(*pair))) : std::nullopt;
}

}  // namespace

std::string assign(const Key& key, const GivenValue& given, Config& config) {
  const Value current = key.get(config);
  const std::optional<Value> value =
      std::visit([&](const auto& type) { return accept(key, given, type); }, current);
  if (value) {
    key.set(config, *value);
    return "";
  }
  std::string near;
  const auto* text = std::get_if<std::string>(&given);
  if (text != nullptr && !key.choices.empty()) {
    near = did_you_mean(*text, std::vector<std::string>(key.choices.begin(), key.choices.end()));
  }
  return fmt::format("expected {}, got {}{}", expected(key, current), describe(given), near);
}

}  // namespace mld
