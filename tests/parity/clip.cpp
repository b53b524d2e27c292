// clip/bpe, clip/preprocess, clip/tiny_rn, clip/tiny_vit: CLIP's tokenizer, transform and models.
#include "core/kernels.h"
#include "data/preprocess.h"
#include "data/tokenizer.h"
#include "models/clip.h"
#include "tests/parity/fixture.h"
#include "tests/parity/float64.h"
#include "tests/parity/modules.h"
#include "tests/parity/node_check.h"

namespace mld::parity {
namespace {

Array array_of(const std::vector<int32_t>& ids) {
  return {{static_cast<int64_t>(ids.size())}, {ids.begin(), ids.end()}};
}

// ids/<i>, context/<i> of the text of config[i], and what the ids say.
void run_bpe(Fixture& fixture) {
  const auto file = fixture.dir() / "data" / "bpe_simple_vocab_16e6.txt.gz";
  if (!std::filesystem::exists(file)) {
    throw Uncovered{"needs data/bpe_simple_vocab_16e6.txt.gz beside it"};
  }
  const Tokenizer tokenizer(file);
  for (const Json* row : elements(fixture.config())) {
    const std::string number = std::to_string(integer(*row, "i")), words = text(*row, "text");
    const auto ids = tokenizer.encode(words);
    fixture.compare("ids/" + number, array_of(ids));
    const bool too_long = flag(*row, "too_long", false);
    fixture.compare("context/" + number,
                    array_of(tokenizer.context(words, Tokenizer::kContext, too_long)));
    fixture.expect(tokenizer.decode(ids) == text(*row, "decoded"),
                   fmt::format("\"{}\": decoded as \"{}\"", words, tokenizer.decode(ids)));
  }
}

// The picture rgb as a model's input.
void run_preprocess(Fixture& fixture) {
  const int64_t n = integer(fixture.config(), "n");
  const std::vector<int64_t> shape = fixture.array("rgb").shape;  // [H, W, 3]
  Image image(static_cast<int>(shape.at(1)), static_cast<int>(shape.at(0)));
  image.rgb = fixture.bytes("rgb");
  const Preprocess spec{.image_size = n,
                        .resize = ResizeMode::crop,
                        .interpolation = Interpolation::bicubic,
                        .normalize = Normalize::clip};
  const Image square = to_square(image, spec);
  Tensor pixels({1, n, n, 3}, DType::u8), y({1, n, n, 3});
  std::copy(square.rgb.begin(), square.rgb.end(), pixels.data<uint8_t>());
  KERNEL(Device{}, normalize_images)(pixels, image_norm(spec.normalize), y);
  fixture.compare("y", reshape(to_array(y, kFromNhwc), {3, n, n}));
}

ClipSpec spec_of(const Json& config) {
  const Json &vision = member(config, "vision"), &text = member(config, "text");
  const int64_t embed = integer(text, "embed_dim");
  const int heads = static_cast<int>(integer(config, "vision_heads"));
  ClipSpec spec{.vision = {},
                .text = {.width = integer(text, "width"),
                         .layers = integer(text, "layers"),
                         .heads = static_cast<int>(integer(text, "heads")),
                         .context = integer(text, "ctx"),
                         .vocabulary = integer(text, "vocab"),
                         .embed = embed}};
  if (has(vision, "patch")) {
    spec.vision = ClipVitSpec{.image_size = integer(vision, "res"),
                              .patch = integer(vision, "patch"),
                              .width = integer(vision, "width"),
                              .layers = integer(vision, "layers"),
                              .heads = heads,
                              .embed = embed};
  } else {
    ClipResNetSpec resnet{.width = integer(vision, "width"),
                          .image_size = integer(vision, "res"),
                          .heads = heads,
                          .embed = embed};
    const std::vector<int64_t> layers = integers(vision, "layers");
    std::copy_n(layers.begin(), resnet.layers.size(), resnet.layers.begin());
    spec.vision = resnet;
  }
  return spec;
}

// Features, scaled cosines and the loss of pairs, compared; then backward. Returns the pictures'
// gradient.
Array train_once(Fixture& fixture, Clip& model) {
  load_module(fixture, model, "param/", "param/");
  set_training(model, false);
  const Array stored = fixture.array("ids");
  Tensor ids({stored.shape.at(0), stored.shape.at(1)}, DType::i32);
  std::copy(stored.values.begin(), stored.values.end(), ids.data<int32_t>());
  Tape tape;
  const Var images = tape.variable(to_tensor(fixture.array("image"), kToNhwc));
  const Var image_features = model.embed_images(images);
  const Var text_features = model.embed_texts(tape.constant(ids.to(device())));
  fixture.compare("image_features", to_array(image_features.value));
  fixture.compare("text_features", to_array(text_features.value));
  const Var scores = model.scores(image_features, text_features);
  fixture.compare("logits_per_image", to_array(scores.value));
  const ContrastiveLoss loss = contrastive_loss(scores, pair_targets(scores.shape()[0]));
  fixture.compare("loss", scalar(loss.total.value));
  tape.backward(loss.total);
  return to_array(tape.grad(images), kFromNhwc);
}

// The product's forward pass, every gradient in float64 (a key bias' is nothing but rounding), and
// the product's kernels: Note [Float64 parity], Note [Node by node].
void run_tiny(Fixture& fixture) {
  const ClipSpec spec = spec_of(fixture.config());
  Clip product(spec), twin(spec), checked(spec);
  train_once(fixture, product);
  {
    const Float64 arithmetic;
    compare_gradient(fixture, "grad", "image", train_once(fixture, twin));
    compare_gradients(fixture, twin, "grad");
  }
  NodeCheck check(device());
  const Float64 arithmetic(check);
  train_once(fixture, checked);
  check.report(fixture);
}

}  // namespace

const std::vector<Kind>& clip_kinds() {
  static const std::vector<Kind> kinds{{"clip/bpe", run_bpe},
                                       {"clip/preprocess", run_preprocess},
                                       {"clip/tiny_rn", run_tiny},
                                       {"clip/tiny_vit", run_tiny}};
  return kinds;
}

}  // namespace mld::parity
