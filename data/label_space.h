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
  std::vector<bool> seen{};        // [K] whether a training picture shows it; empty = all true
  Tensor vectors{};                // f32 [K, D], a word vector per class; undefined = none

  int64_t size() const { return static_cast<int64_t>(names.size()); }
  bool was_seen(size_t column) const { return seen.empty() || seen[column]; }
};

// Whether a picture shows a class. VOC's objects marked difficult are unknown: evaluation leaves
// them out; the objective decides how training treats them.
enum class Label : int8_t { unknown = -1, absent = 0, present = 1 };

// One class of one picture.
struct LabelEntry {
  int32_t column = 0;
  Label label = Label::present;
  float weight = 1;  // of its term in the loss

  // The weight that counts: 0 for an unknown label.
  float effective_weight() const { return label == Label::unknown ? 0 : weight; }
  bool operator==(const LabelEntry&) const = default;
};

}  // namespace mld
