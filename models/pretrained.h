// Starting from other people's weights: the only file that knows names other than ours.
#pragma once

#include <span>
#include <string>

#include "models/registry.h"

namespace mld {

enum class InitPolicy {
  strict,    // every tensor must fit
  backbone,  // the file's head is ignored, its backbone must fit entirely
  matching,  // whatever fits by name and shape
};
constexpr std::array<std::string_view, 3> words_of(InitPolicy) {
  return {"strict", "backbone", "matching"};
}

// Keys of config section [model]: the weights a new run starts from.
struct InitSpec {
  std::string init;  // a checkpoint; "": from scratch
  InitPolicy init_policy = InitPolicy::strict;
};

// Our name for a published one; empty for entries that are not part of our state (fixed blur
// kernels). Known: torchvision's and timm's ResNets with timm's ML-Decoder head.
std::string our_name(const std::string& published);

// Loads a state with any known names, also under a common prefix from a program that wrapped the
// model (DataParallel's "module.", torch.compile's "_orig_mod."). Policies other than strict need
// an initialize()d model; the report says what was left unchanged. Errors: DataError listing what
// does not fit, two entries for one tensor, or (matching) nothing that fits.
LoadReport load_pretrained(Classifier& model, std::span<const StateView> state, InitPolicy policy);

}  // namespace mld
