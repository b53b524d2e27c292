// Starting from other people's weights: the only file that knows other spellings than ours.
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

// A published name as this model spells it; empty for entries that are no state of ours (fixed blur
// kernels). Known: torchvision's and timm's ResNets with timm's ML-Decoder head.
std::string our_name(const std::string& published);

// Loads a state under any known spelling, also below a prefix that the names share because their
// program wrapped the model (DataParallel's "module.", torch.compile's "_orig_mod."). Policies other
// than strict need an initialize()d model; the report says what was left as it was. Errors: DataError
// listing what does not fit, two entries with one meaning, or (matching) nothing that fits.
LoadReport load_pretrained(Classifier& model, std::span<const StateView> state, InitPolicy policy);
LoadReport load_pretrained(Classifier& model, const StateDict& state, InitPolicy policy);

}  // namespace mld
