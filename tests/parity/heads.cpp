// mldecoder/gap, mldecoder/head, mldecoder/train_masks, mldecoder/transformer_decoder: logits and
// gradients of classifier heads.
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
    throw Uncovered{"zero-shot heads are not here yet"};
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

}  // namespace

const std::vector<Kind>& head_kinds() {
  static const std::vector<Kind> kinds{{"mldecoder/gap", run_gap, true},
                                       {"mldecoder/head", run_head, true},
                                       {"mldecoder/train_masks", run_train_masks, true},
                                       {"mldecoder/transformer_decoder", run_transformer_decoder,
                                        true}};
  return kinds;
}

}  // namespace mld::parity
