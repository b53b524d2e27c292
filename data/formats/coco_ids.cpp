// COCO's ids: integers, numbers with a decimal point, texts.
#include <cmath>

#include "core/error.h"
#include "data/formats/coco.h"
#include "data/text.h"

namespace mld {

std::optional<int64_t> CocoAnnotations::id_of_number(std::string_view text) {
  constexpr double kExact = 9007199254740992;  // 2^53
  if (const auto whole = number_of<int64_t>(text)) {
    return *whole >= kLeastId ? whole : std::nullopt;
  }
  const auto real = number_of<double>(text);
  const bool exact = real && std::abs(*real) <= kExact && *real == std::floor(*real);
  return exact ? std::optional(static_cast<int64_t>(*real)) : std::nullopt;
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
