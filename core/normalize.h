// The pixel normalisations that models are trained with, by name.
#pragma once

#include "core/specs.h"
#include "core/words.h"

namespace mld {

enum class Normalize {
  none,      // [0, 1]
  imagenet,  // minus ImageNet's mean, divided by its std
};
constexpr std::array<std::string_view, 2> words_of(Normalize) { return {"none", "imagenet"}; }

inline ImageNormSpec image_norm(Normalize normalize) {
  if (normalize == Normalize::imagenet) {
    return {.mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}};
  }
  return {};
}

}  // namespace mld
