// The pixel normalisations that models are trained with, by name.
#pragma once

#include "core/specs.h"
#include "core/words.h"

namespace mld {

enum class Normalize {
  none,       // [0, 1]
  imagenet,   // minus ImageNet's mean, divided by its std
  inception,  // [-1, 1]: mean and std 0.5
  clip,       // minus the mean of CLIP's pictures, divided by their std
};
constexpr std::array<std::string_view, 4> words_of(Normalize) {
  return {"none", "imagenet", "inception", "clip"};
}

inline ImageNormSpec image_norm(Normalize normalize) {
  if (normalize == Normalize::imagenet) {
    return {.mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}};
  }
  if (normalize == Normalize::inception) {
    return {.mean = {0.5f, 0.5f, 0.5f}, .std = {0.5f, 0.5f, 0.5f}};
  }
  if (normalize == Normalize::clip) {  // _transform() of the published clip/clip.py
    return {.mean = {0.48145466f, 0.4578275f, 0.40821073f},
            .std = {0.26862954f, 0.26130258f, 0.27577711f}};
  }
  return {};
}

}  // namespace mld
