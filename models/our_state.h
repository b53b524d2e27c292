// A state of any known names, under ours.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/naming.h"

namespace mld {

// A state under our names. Values that are stored otherwise are converted and kept here.
struct OurState {
  std::string_view naming = "mldecoder";
  std::string prefix{};
  std::vector<StateView> views{};
  std::vector<Transform> transforms{};  // of each view, not yet undone
  std::vector<Tensor> kept{};
};

// The state under the names of the model, whose backbone is called `backbone`: with the naming and
// the prefix that make most names known. Unknown names stay, without the prefix, but for constants
// and, with CLIP's backbones, the parts of CLIP that the model has not.
OurState under_our_names(Module& model, std::string_view backbone,
                         std::span<const StateView> state);

}  // namespace mld
