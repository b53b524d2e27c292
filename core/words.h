// Enums as words: an enum that appears in a config or a checkpoint is declared together with
//   constexpr std::array<std::string_view, N> words_of(E) { return {...}; }
// which lists the word of each value, from 0 on. Words become values once, where text is read.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace mld {

template <class E>
constexpr std::string_view word(E value) {
  return words_of(value)[static_cast<size_t>(value)];
}

// nullopt for a word that no value has.
template <class E>
constexpr std::optional<E> from_word(std::string_view text) {
  const auto words = words_of(E{});
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == text) {
      return static_cast<E>(i);
    }
  }
  return std::nullopt;
}

}  // namespace mld
