// COCO's ids: integers, numbers with a decimal point, texts.
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "data/formats/coco.h"
#include "data/text.h"

namespace mld {

std::optional<int64_t> CocoAnnotations::id_of_number(std::string_view text) {
  constexpr double kExact = 9007199254740992;  // 2^53
  const char* end = text.data() + text.size();
  int64_t value = 0;
  const auto whole = std::from_chars(text.data(), end, value);
  if (whole.ec == std::errc() && whole.ptr == end) {
    return value >= kLeastId ? std::optional(value) : std::nullopt;
  }
  double real = 0;
  const auto decimal = std::from_chars(text.data(), end, real);
  const bool exact = decimal.ec == std::errc() && decimal.ptr == end && std::abs(real) <= kExact;
  return exact && real == std::floor(real) ? std::optional(static_cast<int64_t>(real))
                                           : std::nullopt;
}

int64_t CocoAnnotations::id_of(std::string_view text) {
  const std::optional<int64_t> number = id_of_number(text);
  if (number && std::to_string(*number) == text) {  // "7" is 7, "007" is not
    return *number;
  }
  const auto next = static_cast<int64_t>(texts_.size());
  const auto entry = text_numbers_.emplace(text, next);
  if (entry.second) {
    require<DataError>(next < kLeastId - kFirstText, "{}: too many ids", name);
    texts_.push_back(entry.first->first);
  }
  return kFirstText + entry.first->second;
}

std::string CocoAnnotations::id_text(int64_t id) const {
  return id >= kLeastId ? std::to_string(id)
                        : fmt::format("'{}'", printable(texts_.at(
                                                  static_cast<size_t>(id - kFirstText))));
}

}  // namespace mld
