#include "nn/attention.h"

#include <cmath>

#include "nn/init.h"

namespace mld {

MultiheadAttention::MultiheadAttention(int64_t D, int heads_, float dropout_)
    : heads(heads_),
      dropout(dropout_),
      in_proj_weight(Shape{3 * D, D}),
      in_proj_bias(Shape{3 * D}),
      out_proj(D, D) {
  require(heads > 0 && D % heads == 0, "MultiheadAttention: {} heads do not divide {} features",
          heads, D);
}

Var MultiheadAttention::operator()(const Var& query, const Var& memory) {
  const int64_t D = in_proj_weight.shape[1];
  const Var w = cast(as_input(in_proj_weight, memory), memory.dtype());
  const Var b = as_input(in_proj_bias, memory);
  const auto project = [&](const Var& x, int64_t block) {
    return linear(x, rows(w, block * D, (block + 1) * D), rows(b, block * D, (block + 1) * D));
  };
  AttentionSpec spec{.heads = heads, .causal = causal};
  if (training && memory.tape != nullptr && dropout > 0) {
    spec.dropout = {.p = dropout, .key = memory.tape->next_random(),
                    .step = memory.tape->random_step()};
  }
  return out_proj(attention(project(query, 0), project(memory, 1), project(memory, 2), spec));
}

void MultiheadAttention::each(Visitor& v) {
  v("in_proj_weight", in_proj_weight);
  v("in_proj_bias", in_proj_bias);
  v("out_proj", out_proj);
}

void MultiheadAttention::reset(RandomStream& random) {
  const double D = static_cast<double>(in_proj_weight.shape[1]);
  fill_uniform(in_proj_weight, random, std::sqrt(6.0 / (D + 3.0 * D)));
  fill(in_proj_bias, 0);
  fill(*out_proj.bias, 0);
}

}  // namespace mld
