// Starting from other people's weights, under any of the names in models/naming.h.
#pragma once

#include <span>
#include <string>
#include <string_view>

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

// Keys of config sections [model] and [clip]: the weights a new run starts from.
struct InitSpec {
  std::string init;  // a checkpoint; "": from scratch
  InitPolicy init_policy = InitPolicy::strict;
  std::string clip_weights{};  // for a text encoder; "": from scratch
};

// What was loaded, and what not. `missing` and `mismatched` tensors of the model are unchanged.
struct PretrainedReport : LoadReport {
  size_t loaded = 0;        // tensors of the model
  std::string_view naming;  // the names found in the file: "mldecoder", "timm", ...
  std::string prefix;       // before all names: "module."
  std::string entry{};      // of the file, if it holds more than a state: "model_ema"

  // "318 tensors loaded from model_ema (names of timm); unchanged: fc.weight, fc.bias; not used:
  // head.weight"
  std::string text() const;
};

// Loads a state with any known names, also under a common prefix from a program that wrapped the
// model (DataParallel's "module.", torch.compile's "_orig_mod."). Policies other than strict need
// an initialize()d model. Errors: DataError listing what does not fit, and naming the policy that
// would do or the backbone that the file is for; two entries for one tensor; (matching) nothing
// that fits.
PretrainedReport load_pretrained(Classifier& model, std::span<const StateView> given,
                                 InitPolicy policy);

// The backbone whose tensors the state has.
struct NearestBackbone {
  std::string_view name;  // "": no backbone has half of its tensors there
  size_t found = 0, of = 0;  // tensors of the backbone that fit by name and shape, and all
};
NearestBackbone nearest_backbone(std::span<const StateView> state);

// The model that a state belongs to, from its names and shapes; `backbone` may be "": the nearest.
// Errors: DataError if no backbone is near, or the head is none of ours; UsageError for an unknown
// backbone.
ModelSpec model_of(std::span<const StateView> given, std::string_view backbone = "");

}  // namespace mld
