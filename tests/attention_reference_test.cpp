// Where decoders look: their weights against plain loops in double, and these loops against the
// published logits, so that the weights are the published ones.
#include <cstdlib>
#include <map>

#include "autograd/ops.h"
#include "data/safetensors.h"
#include "models/ml_decoder.h"
#include "models/transformer_decoder.h"
#include "tests/attention_check.h"
#include "tests/spec_heads.h"

namespace mld::test {
namespace {

using spec::Array;

// ---- the decoder in plain loops -----------------------------------------------------------------

// Parameters of a head in float64, by the names of MlDecoder without "decoder.".
class Loops {
 public:
  Loops(Head& head, std::string layer) : layer_(std::move(layer)) {
    for (const auto& [name, p] : parameters(head)) {
      const bool inner = name.starts_with("decoder.");
      values_.emplace(inner ? name.substr(8) : name, array_of(p->value));
    }
  }
  const Array& at(const std::string& name) const { return values_.at(name); }

  struct Result {
    Array weights, h;  // [N, E, Q, L], [N, Q, D]
  };
  // x [N * L, C], queries [Q, D]
  Result decode(const Array& x, int64_t N, const Array& queries, bool self_attention) const {
    const int64_t Q = queries.dim(0), D = queries.dim(1);
    const Array memory = relu(affine(x, "embed_standart"));
    const Array before =
        self_attention ? attend(queries, queries, 1, layer_ + "self_attn").second : queries;
    const Array t = norm(spec::add(queries, before), "norm1");
    const auto [weights, read] = attend(t, memory, N, layer_ + "multihead_attn");
    const Array wide = spec::reshape(spec::repeat_batch(t, N), {N * Q, D});
    const Array t2 = norm(spec::add(wide, read), "norm2");
    const Array inner = relu(affine(t2, layer_ + "linear1"));
    const Array h = norm(spec::add(t2, affine(inner, layer_ + "linear2")), "norm3");
    return {weights, spec::reshape(h, {N, Q, D})};
  }

 private:
  static Array relu(const Array& x) { return spec::activation(x, {.kind = Act::relu}); }
  static Array plus(Array x, const Array& bias) {
    for (int64_t i = 0; i < x.numel(); ++i) {
      x[i] += bias[i % bias.numel()];
    }
    return x;
  }
  Array affine(const Array& x, const std::string& name) const {
    return plus(spec::linear(x, at(name + ".weight")), at(name + ".bias"));
  }
  Array norm(const Array& x, const std::string& name) const {
    return spec::layer_norm(x, at(layer_ + name + ".weight"), at(layer_ + name + ".bias"));
  }
  Array projected(const Array& x, const std::string& name, int64_t block) const {
    const Array &w = at(name + ".in_proj_weight"), &b = at(name + ".in_proj_bias");
    const int64_t D = w.dim(1);
    const Array bias = spec::rows(spec::reshape(b, {3 * D, 1}), block * D, (block + 1) * D);
    return plus(spec::linear(x, spec::rows(w, block * D, (block + 1) * D)), bias);
  }
  // query [Q, D], memory [N * L, D] -> weights [N, E, Q, L], result [N * Q, D]
  std::pair<Array, Array> attend(const Array& query, const Array& memory, int64_t N,
                                 const std::string& name) const {
    const int64_t Q = query.dim(0), D = query.dim(1), L = memory.dim(0) / N, head = D / kHeads;
    const Array q = projected(query, name, 0), k = projected(memory, name, 1),
                v = projected(memory, name, 2);
    Array weights({N, kHeads, Q, L}), y({N * Q, D});
    for (int64_t n = 0; n < N; ++n)
      for (int64_t e = 0; e < kHeads; ++e)
        for (int64_t i = 0; i < Q; ++i) {
          double sum = 0;
          for (int64_t l = 0; l < L; ++l) {
            double score = 0;
            for (int64_t d = e * head; d < (e + 1) * head; ++d) {
              score += q(i, d) * k(n * L + l, d);
            }
            weights(n, e, i, l) = std::exp(score / std::sqrt(static_cast<double>(head)));
            sum += weights(n, e, i, l);
          }
          for (int64_t l = 0; l < L; ++l) {
            weights(n, e, i, l) /= sum;
            for (int64_t d = e * head; d < (e + 1) * head; ++d) {
              y(n * Q + i, d) += weights(n, e, i, l) * v(n * L + l, d);
            }
          }
        }
    return {weights, affine(y, name + ".out_proj")};
  }

  std::map<std::string, Array> values_;
  std::string layer_;
};

// ---- heads under test ---------------------------------------------------------------------------

// Features as a file has them, [N, C, H, W] or tokens, as ours.
Tensor features_of(const SafeTensor& stored) {
  const Tensor x = stored.to_tensor();
  if (x.shape().rank() == 3) {
    return x;
  }
  const Shape& s = x.shape();
  const Var tokens = transpose(reshape(Var(x), {s[0], s[1], s[2] * s[3]}));
  return tokens.value.reshape({s[0], s[2], s[3], s[1]});
}

void load_from(const SafeTensorsFile& file, Head& head) {
  StateDict state;
  for (const auto& [name, p] : parameters(head)) {
    state.emplace_back(name, file.at("param/" + name).to_tensor());
  }
  load_state(head, state);
  set_training(head, false);
}

// The loops' logits are the file's; our weights are the loops'.
void check_file(const SafeTensorsFile& file, const ModelSpec& spec, Head& head, const Loops& loops,
                const Array& queries, const Array& pooling, const Array& bias) {
  const Tensor x = features_of(file.at("x"));
  const Shape& s = x.shape();
  const int64_t N = s[0], C = s[s.rank() - 1], L = x.numel() / N / C;
  const Loops::Result right = loops.decode(spec::reshape(array_of(x), {N * L, C}), N, queries,
                                           spec.head == "transformer_decoder");
  const Array logits = spec::group_linear(right.h, pooling, bias);
  CHECK(largest_error(logits.values, file.at("logits").to_doubles()) < 1e-9);
  CrossAttention attention(spec);
  look(head, attention, x);
  CHECK(attention.rows() == (s.rank() == 4 ? s[1] : 1));
  CHECK(attention.columns() == s[s.rank() - 2]);
  const Tensor ours = attention.weights();
  CHECK(ours.shape() ==
        Shape{N, kHeads, queries.dim(0), attention.rows(), attention.columns()});
  CHECK(largest_error(ours.to_vector(), right.weights.values) < 2e-6);
  check_sums(ours, L);
}

}  // namespace

TEST_CASE("attention: the reference's, of full and group queries, on maps and on tokens") {
  for (const auto& [name, features, classes, groups, width] :
       {std::tuple{"mld_80_full_e64", 48, 80, -1, 64}, {"mld_1003_g100_e32", 24, 1003, 100, 32},
        {"mld_80_tokens_e24", 20, 80, 40, 24}}) {
    CAPTURE(name);
    const SafeTensorsFile file(reference::fixture(std::string(name) + ".safetensors"));
    const int64_t ffn = file.at("param/decoder.layers.0.linear1.bias").numel();
    const ModelSpec spec{.classes = classes, .groups = groups, .embed_dim = width, .ffn = ffn};
    MlDecoder head(spec, features);
    load_from(file, head);
    const Loops loops(head, "layers.0.");
    check_file(file, spec, head, loops, loops.at("query_embed.weight"),
               loops.at("duplicate_pooling"), loops.at("duplicate_pooling_bias"));
  }
}

TEST_CASE("attention: the reference's, behind self-attention") {
  const SafeTensorsFile file(reference::fixture("mld_base_tfdec_e32.safetensors"));
  const ModelSpec spec{.head = "transformer_decoder", .classes = 20, .embed_dim = 32, .ffn = 64};
  TransformerDecoder head(spec, 24);
  load_from(file, head);
  const Loops loops(head, "layer.");
  check_file(file, spec, head, loops, loops.at("query_embed.weight"),
             spec::reshape(loops.at("pool_weight"), {20, 32, 1}), loops.at("pool_bias"));
}

TEST_CASE("attention: the reference's, of word queries") {
  const char* shared = std::getenv("MLD_SHARED");
  const std::filesystem::path path =
      std::filesystem::path(shared != nullptr ? shared : source_dir() + "/../shared") /
      "fixtures/mld_zsl_e32.safetensors";
  if (!std::filesystem::exists(path)) {
    MESSAGE("SKIPPED: no ", path.string());
    return;
  }
  const SafeTensorsFile file(path);
  const ModelSpec spec{.classes = 37, .word_dim = 300, .embed_dim = 32, .ffn = 64,
                       .query = QueryKind::nlp, .pooling = PoolingKind::shared};
  MlDecoder head(spec, 24);
  load_from(file, head);
  const Tensor words = file.at("wordvecs").to_tensor();
  head.set_words(words);
  const Loops loops(head, "layers.0.");
  Array queries = spec::linear(array_of(words), loops.at("wordvec_proj.weight"));
  for (int64_t i = 0; i < queries.numel(); ++i) {
    queries[i] = std::max(0.0, queries[i] + loops.at("wordvec_proj.bias")[i % 32]);
  }
  const Array pooling = spec::repeat_batch(loops.at("duplicate_pooling"), 37);
  check_file(file, spec, head, loops, queries, pooling,
             Array({37}, loops.at("duplicate_pooling_bias")[0]));
}

}  // namespace mld::test
