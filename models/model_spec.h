// What a model is: config section [model], the part "model" of every checkpoint, and make_model()'s
// argument. The keys are explained in train/config_keys.cpp.
#pragma once

#include <cstdint>
#include <string>

#include "core/words.h"

namespace mld {

enum class QueryKind {
  random,     // N(0, 1), not trained (the published default)
  learnable,  // the same start, trained
};
constexpr std::array<std::string_view, 2> words_of(QueryKind) { return {"random", "learnable"}; }

// Everything that decides a model's parameters and shapes.
struct ModelSpec {
  std::string backbone = "resnet50";  // see backbones()
  std::string head = "ml_decoder";    // see heads()
  int64_t classes = 0;                // from the data, never set by the user
  // Heads with a decoder layer:
  int64_t groups = -1;      // ml_decoder: G queries; negative: 100; at most `classes`
  int64_t embed_dim = 768;  // D, a multiple of the attention's heads
  int64_t ffn = 2048;
  QueryKind query = QueryKind::random;  // ml_decoder
  double dropout = 0.1;
  // Any head:
  double drop_path = 0;  // see set_drop_path()

  bool operator==(const ModelSpec&) const = default;
};

}  // namespace mld
