// Runs of models that know their classes by words or prompts: killed and resumed, saved and scored.
#include <doctest/doctest.h>

#include <memory>

#include "app/config_file.h"
#include "models/clip_decoder.h"
#include "tests/caption_learning.h"
#include "train/memory.h"
#include "train/start_weights.h"
#include "train/trainer.h"

namespace mld::test {
namespace {

// A few updates on shapes, in two epochs.
Config run_of(const std::string& model) {
  const std::string text = R"(
name = "zero_shot"
task = "zero-shot"
[data]
format = "shapes"
image_size = 32
train_size = 32
val_size = 12
[train]
epochs = 2
batch_size = 8
checkpoint_minutes = 0
[optim]
lr = 1e-3
[model]
backbone = "resnet18"
embed_dim = 32
)";
  return parse_config(text + model + "\n[clip]\nvocabulary = \"" + vocabulary().native() +
                          "\"\ntext_width = 64\ntext_layers = 1\ntext_embed = 16\n", "run.toml")
      .config;
}

const std::string kWords = R"(query = "nlp"
pooling = "shared"
num_random = 3
noise_std = 0.1)";
const std::string kPrompts = R"(head = "clip_decoder"
num_random = 2
noise_std = 0.1)";

struct Killed {};

// Records losses; ends the run after some updates by an exception, in place of a kill.
struct Watch : LogSink {
  std::vector<double>& losses;
  int64_t last;

  Watch(std::vector<double>& losses_, int64_t last_) : losses(losses_), last(last_) {}
  void step(const StepReport& report) override {
    losses.push_back(report.loss);
    if (report.step == last) {
      throw Killed();
    }
  }
};

// Trains in `folder`, from its saved state if it has one, to the end or until after `last` updates.
std::vector<double> train(const Config& config, const RunFolder& folder, int64_t last = 1000) {
  fs::create_directories(folder.weights());
  fs::create_directories(folder.val());
  std::vector<double> losses;
  RunLog log;
  log.add(std::make_unique<Watch>(losses, last));
  const bool saved = fs::exists(folder.state());
  Trainer trainer({config, {}}, Device{}, log,
                  saved ? Trainer::Start::saved : Trainer::Start::fresh);
  trainer.open(folder);
  ExitCode code = ExitCode::ok;
  try {
    code = trainer.run();
  } catch (const Killed&) {
    CHECK(last < 1000);
  }
  CHECK(code == ExitCode::ok);
  return losses;
}

std::vector<float> text_encoder(const fs::path& weights) {
  std::vector<float> all;
  for (const auto& [name, tensor] : load_checkpoint(weights).tensors) {
    if (name.find(".text.") != name.npos) {
      const std::vector<float> values = tensor.to_vector();
      all.insert(all.end(), values.begin(), values.end());
    }
  }
  return all;
}

}  // namespace

TEST_CASE("a run killed and resumed is byte-equal: words, prompts, a trained text encoder") {
  for (const std::string& model : {kWords, kPrompts, kPrompts + "\n[clip]\ntrain_text = true"}) {
    CAPTURE(model);
    const bool trains_text = model.find("train_text") != model.npos;
    Config config = run_of(trains_text ? kPrompts : model);
    config.model.clip.train_text = trains_text;
    const TemporaryFolder whole, parts;
    const RunFolder one{whole.path()}, other{parts.path()};
    const auto updates = static_cast<int64_t>(train(config, one).size());
    REQUIRE(updates >= 6);
    CHECK(std::ssize(train(config, other, updates - 1)) == updates - 1);  // in the second epoch
    CHECK(train(config, other).size() == 2);  // the last one was not saved
    CHECK(read_file(one.last()) == read_file(other.last()));
    CHECK(read_file(one.best()) == read_file(other.best()));
  }
}

TEST_CASE("a clip_decoder's checkpoint: prompts of all classes, and no file is needed") {
  Config config = run_of(kPrompts);
  const TemporaryFolder place;
  const RunFolder folder{place.path()};
  const size_t updates = train(config, folder).size();
  LoadedModel loaded = model_from_checkpoint(folder.last());
  CHECK(loaded.info.model.word_dim == 77);
  CHECK(loaded.info.model.clip == config.model.clip);
  const LabelSpace labels = loaded.info.label_space();
  CHECK(labels.size() == 36);
  CHECK(labels.vectors.to_vector() == class_prompts(config, labels.names).to_vector());
  // The frozen encoder, also in the average, is the one that training started from.
  const auto start = make_model(loaded.info.model);
  initialize(*start, static_cast<uint64_t>(config.seed));
  std::vector<float> initial;
  for (const auto& [name, tensor] :
       state_dict(dynamic_cast<ClipDecoder&>(*start->head).text)) {
    const std::vector<float> values = tensor.to_vector();
    initial.insert(initial.end(), values.begin(), values.end());
  }
  CHECK(text_encoder(folder.last()) == initial);
  CHECK(text_encoder(folder.best()) == initial);
  // Unseen classes are scored from the file alone.
  config = config_of(loaded.info);
  const auto objective = make_objective(config, *loaded.model, labels, labels);
  const Tensor pixels = Tensor::full({2, 32, 32, 3}, 90, DType::u8);
  CHECK(objective->scores(objective->outputs(pixels)).shape() == Shape{2, 36});
  // Its training continues in another run.
  Config next = run_of(kPrompts);
  next.init.init = folder.best().native();
  next.train.epochs = 1;
  const TemporaryFolder further;
  CHECK(train(next, RunFolder{further.path()}).size() == updates / 2);
}

TEST_CASE("clip_decoder: memory is predicted as for other heads") {
  Config config = run_of(kPrompts);
  config.model.word_dim = 77;
  config.task = Task::multi_label;
  const TrainingNeeds few = training_needs(config, 10, Device{}, 0);
  config.model.clip.train_text = true;
  const TrainingNeeds more = training_needs(config, 10, Device{}, 0);
  CHECK(few.tensors > size_t{20} << 20);  // the token table has 12 MiB, twice with the average
  CHECK(more.tensors > few.tensors + (size_t{24} << 20));  // its two moments
}

TEST_CASE("clip_decoder: a run starts from CLIP's weights, the backbone's too if it is CLIP's") {
  ModelSpec spec = run_of(kPrompts).model;
  spec.backbone = "clip_vit_tiny";
  spec.classes = 3;
  spec.word_dim = 77;
  const auto model = make_model(spec);
  initialize(*model, 1);
  auto& text = dynamic_cast<ClipDecoder&>(*model->head).text;
  Clip clip({.vision = ClipVitSpec{.image_size = 64, .patch = 8, .width = 192, .layers = 6,
                                   .heads = 3, .embed = 16},
             .text = text.spec});
  initialize(clip, 2);
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "clip.safetensors";
  save_checkpoint(file, {.tensors = state_dict(clip), .metadata = {}});
  InitSpec init;
  init.clip_weights = file.native();
  CHECK(has_start_weights(init));
  const std::vector<std::string> told = load_start_weights(*model, init, {});
  REQUIRE(told.size() == 1);
  CAPTURE(told[0]);
  CHECK(told[0].starts_with(file.native() + ": text encoder loaded; backbone: "));
  CHECK(text.token_embedding.value.to_vector() ==
        clip.text.token_embedding.value.to_vector());
  const auto first_conv = [](Module& of) {
    for (const auto& [name, p] : parameters(of)) {
      if (name.ends_with("conv1.weight")) {
        return p->value.to_vector();
      }
    }
    return std::vector<float>{};
  };
  CHECK(first_conv(*model->backbone) == first_conv(*clip.visual));
  CHECK_FALSE(has_start_weights({}));
}

TEST_CASE("errors: runs of clip_decoder") {
  const auto error = [](auto&& change) {
    Config config = run_of(kPrompts);
    change(config);
    RunLog log;
    return message_of<Error>([&] { Trainer({config, {}}, Device{}, log, Trainer::Start::fresh); });
  };
  CHECK(error([](Config& c) { c.captions.vocabulary.clear(); })
            .starts_with("clip.vocabulary is missing: this model reads texts; give CLIP's file"));
  CHECK(error([](Config& c) { c.captions.vocabulary = "/nowhere/bpe.txt.gz"; })
            .starts_with("/nowhere/bpe.txt.gz: no such file; CLIP's vocabulary is clip/bpe_"));
  const TemporaryFolder folder;
  folder.write("short.txt", vocabulary_text({}, 1000));
  CHECK(error([&](Config& c) { c.captions.vocabulary = (folder.path() / "short.txt").native(); })
            .ends_with("short.txt: 1000 merges behind the first line, expected 262144 or 48894: "
                       "not CLIP's vocabulary"));
  CHECK(error([](Config& c) { c.model.clip.prompt = std::string(90, 'x') + " {}"; })
            .starts_with("label \"blue circle\": "));
  // Weights with an image tower alone.
  const auto backbone = make_model({.backbone = "clip_vit_tiny", .head = "gap", .classes = 2});
  initialize(*backbone, 1);
  save_checkpoint(folder.path() / "images.safetensors",
                  {.tensors = state_dict(*backbone), .metadata = {}});
  const std::string images = (folder.path() / "images.safetensors").native();
  CHECK(error([&](Config& c) { c.init.clip_weights = images; }) ==
        images + ": the weights have no text tower of CLIP: there is no token_embedding.weight; "
                 "expected a state dict under OpenAI's names or open_clip's");
  CHECK(error([&](Config& c) {
          c.init.clip_weights = images;
          c.model.head = "ml_decoder";
          c.model.query = QueryKind::nlp;
          c.model.pooling = PoolingKind::shared;
        }).starts_with("clip.weights needs a model with a text encoder: model.head clip_decoder"));

  CHECK(message_of<Error>([] { parse_config("[clip]\nprompt = \"a photo\"\n", "c.toml"); })
            .find("clip.prompt: expected text with {} once") != std::string::npos);
  CHECK(message_of<Error>([] {
          parse_config("[model]\nhead = \"clip_decoder\"\n[train]\ncuda_graph = true\n", "c.toml");
        }).find("train.cuda_graph cannot capture model.head clip_decoder") != std::string::npos);
}

}  // namespace mld::test
