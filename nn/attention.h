// Multi-head attention over projected inputs, with PyTorch's packed parameters.
#pragma once

#include "nn/layers.h"

namespace mld {

// MHA(q, m) = concat_e(softmax(q_e k_e^T / sqrt(D/E)) v_e) Wo^T + bo with [q k v] projected from
// (query, memory, memory) by the three blocks of in_proj.
struct MultiheadAttention : Module {
  int heads;
  float dropout;             // on the probabilities, in training
  bool causal = false;       // query i sees memory 0..i
  Parameter in_proj_weight;  // [3D, D]: rows [0, D) project queries, [D, 2D) keys, [2D, 3D) values
  Parameter in_proj_bias;    // [3D]
  Linear out_proj;           // [D, D]

  // Errors: heads does not divide D.
  MultiheadAttention(int64_t D, int heads, float dropout);

  // query [N, Q, D], or [1, Q, D] shared by the pictures; memory [N, L, D] -> [N, Q, D]
  Var operator()(const Var& query, const Var& memory) { return attend(project(query, memory)); }

  // Its two steps, for whoever wants to see what is compared.
  struct Projected {
    Var q, k, v;  // [N or 1, Q, D], [N, L, D], [N, L, D]
  };
  Projected project(const Var& query, const Var& memory);
  Var attend(const Projected& projected);

  void each(Visitor& v) override;
  // Packed matrix: Xavier uniform; out_proj.weight: default; biases 0 (PyTorch).
  void reset(RandomStream& random) override;
};

}  // namespace mld
