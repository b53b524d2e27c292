// CLIP's transformer (arXiv 2103.00020), of its image and text encoders: norms before each part, a
// quick GELU, the published names.
#pragma once

#include "models/residual.h"
#include "nn/attention.h"

namespace mld {

// x = x + MHA(LN(x));  x = x + c_proj(quick_gelu(c_fc(LN(x)))).   [N, L, D] -> same
struct ClipBlock : ResidualBlock {
  struct Mlp : Module {
    Linear c_fc, c_proj;  // D to 4 D and back

    explicit Mlp(int64_t D) : c_fc(D, 4 * D), c_proj(4 * D, D) {}

    Var operator()(const Var& x) { return c_proj(quick_gelu(c_fc(x))); }
    void each(Visitor& v) override;
  };
  MultiheadAttention attn;
  LayerNorm ln_1;
  Mlp mlp;
  LayerNorm ln_2;

  ClipBlock(int64_t D, int heads, bool causal);

  Var operator()(const Var& x) override;
  void each(Visitor& v) override;
};

struct ClipTransformer : Module {
  int64_t width;
  std::vector<std::unique_ptr<ClipBlock>> resblocks;

  // causal: position i sees positions 0..i. Errors: heads does not divide width.
  ClipTransformer(int64_t width, int64_t layers, int heads, bool causal);

  Var operator()(Var x);  // [N, L, width] -> same
  void each(Visitor& v) override { v("resblocks", resblocks); }
  // Normal, with the deviations of the published text encoder: in_proj width^-1/2, out_proj and
  // c_proj (width 2 layers)^-1/2, c_fc (2 width)^-1/2.
  void reset(RandomStream& random) override;
};

// A linear map whose matrix is stored as CLIP stores its projections.
//   x [N, C], w [C, O] (a parameter) -> [N, O] in x's dtype
Var project(const Var& x, Parameter& w);

}  // namespace mld
