#include "models/decoder_layer.h"

namespace mld {

DecoderLayer::DecoderLayer(const ModelSpec& spec, int heads, bool self_attention)
    : multihead_attn(spec.embed_dim, heads, static_cast<float>(spec.dropout)),
      linear1(spec.embed_dim, spec.ffn),
      linear2(spec.ffn, spec.embed_dim),
      norm1(spec.embed_dim),
      norm2(spec.embed_dim),
      norm3(spec.embed_dim),
      dropout(static_cast<float>(spec.dropout)) {
  if (self_attention) {
    self_attn.emplace(spec.embed_dim, heads, static_cast<float>(spec.dropout));
  }
}

Var DecoderLayer::operator()(const Var& queries, const Var& memory, const Tap& tap) {
  const int64_t N = memory.shape()[0], Q = queries.shape()[0], D = queries.shape()[1];
  // Without dropout all that comes before the memory is the same for every picture: it is computed
  // once, and projected once inside the attention.
  const bool shared = !dropout.training || dropout.p == 0;
  const Var q = shared ? reshape(queries, {1, Q, D}) : repeat_batch(queries, N);
  Var t = norm1(add(q, dropout(self_attn ? (*self_attn)(q, q) : q)));  // [1 or N, Q, D]
  const Var wide = shared ? repeat_batch(reshape(t, {Q, D}), N) : t;   // [N, Q, D]
  const MultiheadAttention::Projected projected = multihead_attn.project(t, memory);
  if (tap) {
    tap("query", projected.q);
    tap("key", projected.k);
  }
  t = norm2(add(wide, dropout(multihead_attn.attend(projected))));
  const Var inner = dropout(linear1.relu(t));  // [N, Q, ffn]
  return norm3(add(t, dropout(linear2(inner))));
}

void DecoderLayer::each(Visitor& v) {
  v("self_attn", self_attn);
  v("norm1", norm1);
  v("multihead_attn", multihead_attn);
  v("linear1", linear1);
  v("linear2", linear2);
  v("norm2", norm2);
  v("norm3", norm3);
  v("dropout", dropout);
}

const ModelSpec& checked_decoder_spec(const ModelSpec& spec, int heads) {
  require<UsageError>(spec.classes > 0, "{}: needs at least one class, got {}", spec.head,
                      spec.classes);
  require<UsageError>(spec.groups != 0, "{}: groups must be positive, or -1 for 100", spec.head);
  require<UsageError>(heads > 0 && spec.embed_dim > 0 && spec.embed_dim % heads == 0,
                      "{}: embed_dim must be a multiple of {} (attention heads), got {}",
                      spec.head, heads, spec.embed_dim);
  require<UsageError>(0 <= spec.dropout && spec.dropout < 1,
                      "{}: dropout must be in [0, 1), got {}", spec.head, spec.dropout);
  return spec;
}

}  // namespace mld
