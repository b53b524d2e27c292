// What the columns of targets and scores mean, and what is known of a picture's labels.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace mld {

// The classes of a split or of a model, in the order of its columns. Train and validation may have
// different ones: zero-shot recognition is scored on classes that no training picture showed.
struct LabelSpace {
  std::vector<std::string> names;  // [K] UTF-8
  std::vector<bool> seen{};        // [K] a training picture showed it; empty = all of them
  Tensor vectors{};                // f32 [K, D], one of words per class; undefined = none

  int64_t size() const { return static_cast<int64_t>(names.size()); }
  bool was_seen(size_t column) const { return seen.empty() || seen[column]; }
};

// What is known of a class in a picture. VOC's objects marked difficult are unknown: evaluation
// leaves them out, and what training makes of them is the objective's to say.
enum class Label : int8_t { unknown = -1, absent = 0, present = 1 };

// One class of one picture. A class that a picture does not list is absent, with weight 1.
struct LabelEntry {
  int32_t column = 0;
  Label label = Label::present;
  float weight = 1;

  // What it counts for: an unknown label counts for nothing.
  float effective_weight() const { return label == Label::unknown ? 0 : weight; }
  bool operator==(const LabelEntry&) const = default;
};

}  // namespace mld
