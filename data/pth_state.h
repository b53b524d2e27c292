// Which of the dicts in a checkpoint of another program is the model's state.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/pickle.h"

namespace mld {

struct PthState {
  std::string entry;  // the keys that lead to it: "", "model", "state.ema"
  std::vector<std::pair<std::string_view, pickle::Id>> tensors;  // the dict's, in its order
  std::vector<std::string> class_names;                          // see PthFile
};

// `file` starts messages. Errors: DataError if there is no dict with tensors, or a name twice.
PthState find_state(const pickle::Pickle& pickle, const std::string& file);

}  // namespace mld
