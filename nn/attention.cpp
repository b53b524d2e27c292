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

MultiheadAttention::Projected MultiheadAttention::project(const Var& query, const Var& memory) {
  const int64_t D = in_proj_weight.shape[1];
  const Var w = cast(as_input(in_proj_weight, memory), memory.dtype());
  const Var b = as_input(in_proj_bias, memory);
  const auto part = [&](const Var& x, int64_t block) {
    return linear(x, rows(w, block * D, (block + 1) * D), rows(b, block * D, (block + 1) * D));
  };
  Projected projected;  // v first: the order in which gradients are summed decides their last bit
  projected.v = part(memory, 2);
  projected.k = part(memory, 1);
  projected.q = part(query, 0);
  return projected;
}

Var MultiheadAttention::attend(const Projected& projected) {
  AttentionSpec spec{.heads = heads, .causal = causal};
  Tape* tape = projected.k.tape;
  if (training && tape != nullptr && dropout > 0) {
    spec.dropout = {.p = dropout, .key = tape->next_random(), .step = tape->random_step()};
  }
  return out_proj(attention(projected.q, projected.k, projected.v, spec));
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
