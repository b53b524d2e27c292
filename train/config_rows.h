// How the table of config keys is written: a row is made from the pointers to its member.
#pragma once

#include <filesystem>
#include <limits>
#include <optional>
#include <utility>

#include "train/config_keys.h"

namespace mld {

// Converts a member to a key's value and back.
template <class T>
Value to_value(const T& member) {
  if constexpr (std::is_enum_v<T>) {
    return std::string(word(member));
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    return member.native();
  } else if constexpr (std::is_same_v<T, std::optional<Rgb>>) {
    return colour_text(member);
  } else {
    return member;
  }
}
template <class T>
void from_value(const Value& value, T& member) {
  if constexpr (std::is_enum_v<T>) {
    member = from_word<T>(std::get<std::string>(value)).value();
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    member = std::get<std::string>(value);
  } else if constexpr (std::is_same_v<T, std::optional<Rgb>>) {
    member = colour_of(std::get<std::string>(value)).value();
  } else {
    member = std::get<T>(value);
  }
}

constexpr double kAny = std::numeric_limits<double>::infinity();
constexpr double kMaxCount = 1e9;  // more than any use needs, far from overflow

// A row of the table under construction.
struct Row : Key {
  Row one_of(std::vector<std::string_view> names) && {
    choices = std::move(names);
    return std::move(*this);
  }
  Row within(double low, double high) && {
    minimum = low;
    maximum = high;
    return std::move(*this);
  }
  Row with(Effect what) && {
    effect = what;
    return std::move(*this);
  }
  Row or_path() && {
    may_be_path = true;
    return std::move(*this);
  }
};

// `Path`: the member pointers from the Config to the key's value: the section's, then the key's.
template <auto... Path>
Row row(std::string_view section, Part part, std::string_view name, std::string_view meaning) {
  Row made;
  made.section = section;
  made.part = part;
  made.name = name;
  made.meaning = meaning;
  made.get = [](const Config& config) { return to_value((config .* ... .* Path)); };
  made.set = [](Config& config, const Value& value) { from_value(value, (config .* ... .* Path)); };
  using Member = std::remove_cvref_t<decltype((std::declval<Config&>() .* ... .* Path))>;
  made.colour = std::is_same_v<Member, std::optional<Rgb>>;
  if constexpr (std::is_enum_v<Member>) {
    const auto words = words_of(Member{});
    made.choices.assign(words.begin(), words.end());
  }
  return made;
}

}  // namespace mld
