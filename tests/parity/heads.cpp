// mldecoder/gap, mldecoder/head, mldecoder/train_masks, mldecoder/transformer_decoder,
// mldecoder/zsl, mldecoder/zsl_group: logits and gradients of classifier heads.
#include <map>

#include "models/gap_head.h"
#include "models/ml_decoder.h"
#include "models/transformer_decoder.h"
#include "tests/parity/fixture.h"
#include "tests/parity/float64.h"
#include "tests/parity/modules.h"

namespace mld::parity {
namespace {

// Input, logits, and every gradient of sum(logits * R). x is [N, C, H, W] or tokens [N, T, C].
void compare_head(Fixture& fixture, Head& head) {
  const Array x = fixture.input("x");
  const bool map = x.shape.size() == 4;
  Tape tape;
  const Var input = tape.variable(to_values(x, map ? kToNhwc : Order{}));
  const Var logits = head(input);
  fixture.compare("logits", to_array(logits.value));
  tape.backward(logits, to_values(fixture.input("R")));
  compare_gradient(fixture, "grad", "x", to_array(tape.grad(input), map ? kFromNhwc : Order{}));
  compare_gradients(fixture, head, "grad");
}

void run_gap(Fixture& fixture) {
  GapHead head(integer(fixture.config(), "initial_num_features"),
               integer(fixture.config(), "num_classes"));
  load_module(fixture, head);
  set_training(head, false);
  compare_head(fixture, head);
}

MlDecoder head_of(const Json& config) {
  if (integer(config, "zsl", 0) != 0) {
    throw Uncovered{"a zero-shot head under the kind of another"};
  }
  const ModelSpec spec{.classes = integer(config, "num_classes"),
                       .groups = integer(config, "num_of_groups", -1),
                       .embed_dim = integer(config, "decoder_embedding", 768),
                       .ffn = integer(config, "ffn", 2048),
                       .dropout = number(config, "dropout", 0.1)};
  return MlDecoder(spec, integer(config, "initial_num_features", 2048),
                   static_cast<int>(integer(config, "heads", 8)));
}

void run_head(Fixture& fixture) {
  MlDecoder head = head_of(fixture.config());
  load_module(fixture, head);
  set_training(head, false);
  compare_head(fixture, head);
}

// mask/0 .. mask/4 are the keep masks in the order in which the dropout layers draw, the queries'
// first: [G, N, D], ours are [N, G, D]; the attention's is [N * heads, G, T] in both.
void run_train_masks(Fixture& fixture) {
  MlDecoder head = head_of(fixture.config());
  load_module(fixture, head);
  set_training(head, true);
  std::vector<std::vector<double>> masks;
  for (int i = 0; i < 5; ++i) {
    const Array mask = fixture.array(fmt::format("mask/{}", i));
    masks.push_back((i == 1 ? mask : permute(mask, kSwapFirst)).values);
  }
  const GivenMasks given(device(), std::move(masks));
  compare_head(fixture, head);
}

void run_transformer_decoder(Fixture& fixture) {
  const Json& config = fixture.config();
  const ModelSpec spec{.head = "transformer_decoder",
                       .classes = integer(config, "num_classes"),
                       .embed_dim = integer(config, "decoder_embedding", 768),
                       .ffn = integer(config, "ffn", 2048)};
  TransformerDecoder head(spec, integer(config, "initial_num_features", 2048),
                          static_cast<int>(integer(config, "heads", 8)));
  load_module(fixture, head);
  set_training(head, false);
  compare_head(fixture, head);
}

// ---- classes by words ---------------------------------------------------------------------------

void run_zsl(Fixture& fixture) {
  const Json& config = fixture.config();
  const Array words = fixture.input("wordvecs"), x = fixture.input("x");
  MlDecoder head({.classes = integer(config, "num_classes"),
                  .word_dim = words.shape.at(1),
                  .groups = integer(config, "num_of_groups", -1),
                  .embed_dim = integer(config, "decoder_embedding", 768),
                  .ffn = integer(config, "ffn", 2048),
                  .query = QueryKind::nlp,
                  .pooling = PoolingKind::shared},
                 integer(config, "initial_num_features", 2048),
                 static_cast<int>(integer(config, "heads", 8)));
  load_module(fixture, head);
  set_training(head, false);
  Tape tape;
  const Var input = tape.variable(to_values(x, kToNhwc)), given = tape.variable(to_tensor(words));
  const Var logits = head.logits(head.memory(input), given);
  fixture.compare("logits", to_array(logits.value));
  tape.backward(logits, to_values(fixture.input("R")));
  compare_gradient(fixture, "grad", "x", to_array(tape.grad(input), kFromNhwc));
  compare_gradient(fixture, "grad", "wordvecs", to_array(tape.grad(given)));
  compare_gradients(fixture, head, "grad");
}

// The reference's names: W_a, W_b, bias, and the others without "decoder.".
std::string group_name(const std::string& ours) {
  static const std::map<std::string, std::string> kNames{
      {"wordvec_proj.weight", "W_a"},
      {"decoder.duplicate_pooling", "W_b"},
      {"decoder.duplicate_pooling_bias", "bias"}};
  if (const auto found = kNames.find(ours); found != kNames.end()) {
    return found->second;
  }
  const std::string name = ours.substr(std::string("decoder.").size());
  return name.starts_with("layers.0.") ? "layer." + name.substr(9) : name;
}

void run_zsl_group(Fixture& fixture) {
  const Json& config = fixture.config();
  const ModelSpec spec{.classes = integer(config, "n_train"),
                       .word_dim = integer(config, "word_dim"),
                       .groups = integer(config, "groups"),
                       .embed_dim = integer(config, "decoder_embedding"),
                       .ffn = integer(config, "ffn"),
                       .query = QueryKind::nlp,
                       .pooling = PoolingKind::word};
  fixture.expect(ml_decoder_group_size(spec) == integer(config, "group_size"),
                 "another group size");
  MlDecoder head(spec, integer(config, "initial_num_features"));
  StateDict state;
  for (const auto& [name, parameter] : parameters(head)) {
    state.emplace_back(name,
                       to_tensor(fixture.array("param/" + group_name(name))).to(Device{}));
  }
  load_state(head, state);
  to(head, device());
  clear_gradients(head);
  set_training(head, false);
  Tape tape;
  const Var x = tape.variable(to_values(fixture.array("x"), kToNhwc));
  head.set_words(to_tensor(fixture.array("words_train")));
  const Var logits = head(x);
  fixture.compare("logits_train", to_array(logits.value));
  tape.backward(logits, to_values(fixture.array("R_train")));
  compare_gradient(fixture, "grad", "x", to_array(tape.grad(x), kFromNhwc));
  for (const auto& [name, parameter] : parameters(head)) {
    compare_gradient(fixture, "grad", group_name(name), gradient_of(*parameter));
  }
  head.set_words(to_tensor(fixture.array("words_test")));  // of other classes, and fewer
  fixture.compare("logits_test", to_array(head(Var(x.value)).value));
  fixture.ignore("R_test", "gradients are those of training's classes");
}

}  // namespace

const std::vector<Kind>& head_kinds() {
  static const std::vector<Kind> kinds{{"mldecoder/gap", run_gap, true},
                                       {"mldecoder/head", run_head, true},
                                       {"mldecoder/train_masks", run_train_masks, true},
                                       {"mldecoder/transformer_decoder", run_transformer_decoder,
                                        true},
                                       {"mldecoder/zsl", run_zsl, true},
                                       {"mldecoder/zsl_group", run_zsl_group, true}};
  return kinds;
}

}  // namespace mld::parity
