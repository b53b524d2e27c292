// The meaning of the columns of targets and scores, and a picture's labels.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace mld {

// The classes of a split or of a model, in column order. Train and validation may have different
// ones: zero-shot recognition is scored on classes that no training picture shows.
struct LabelSpace {
  std::vector<std::string> names;  // [K] UTF-8
  std::vector<bool> seen{};  // [K] whether training shows it (zero-shot: may show); empty = all
  Tensor vectors{};                // f32 [K, D], a class's word vector or prompt; undefined = none

  int64_t size() const { return static_cast<int64_t>(names.size()); }
  bool was_seen(size_t column) const { return seen.empty() || seen[column]; }
};

// The classes that were seen, with their vectors if there are any: training's label space.
LabelSpace seen_part(const LabelSpace& space);

// Whether a picture shows a class. VOC's objects marked difficult are unknown: evaluation leaves
// them out; in training they count as absent, with the weight loss.unknown_weight.
enum class Label : int8_t { unknown = -1, absent = 0, present = 1 };

// One class of one picture.
struct LabelEntry {
  int32_t column = 0;
  Label label = Label::present;
  float weight = 1;  // of its loss in training; an unknown label has another

  // The weight that counts, with that of unknown labels.
  float effective_weight(float unknown = 0) const {
    return label == Label::unknown ? unknown : weight;
  }
  bool operator==(const LabelEntry&) const = default;
};

}  // namespace mld
