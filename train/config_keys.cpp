#include "train/config_keys.h"

#include <algorithm>

#include <fmt/core.h>

#include "core/table.h"
#include "data/formats/open.h"
#include "models/registry.h"
#include "train/config_rows.h"
#include "train/evaluate.h"

namespace mld {
namespace {

#define TOP(key, text) row<&Config::key>("", Part::none, #key, text)
#define DATA(key, text) row<&Config::data, &DataOptions::key>("data", Part::none, #key, text)
#define PICTURES(key, text) \
  row<&Config::preprocess, &Preprocess::key>("data", Part::preprocessing, #key, text)
#define LOADING(key, text) row<&Config::loading, &LoadingSpec::key>("data", Part::none, #key, text)
#define AUGMENT(key, text) \
  row<&Config::augment, &AugmentPolicy::key>("augment", Part::none, #key, text)
#define MODEL(key, text) row<&Config::model, &ModelSpec::key>("model", Part::model, #key, text)
#define CLIP(key, text) \
  row<&Config::model, &ModelSpec::clip, &ClipDecoderSpec::key>("clip", Part::model, #key, text)
#define CAPTIONS(key, text) \
  row<&Config::captions, &CaptionSpec::key>("clip", Part::none, #key, text)
#define INIT(key, text) row<&Config::init, &InitSpec::key>("model", Part::none, #key, text)
#define LOSS(key, text) row<&Config::loss, &LossSpec::key>("loss", Part::none, #key, text)
#define OPTIM(key, text) row<&Config::optim, &OptimizerSpec::key>("optim", Part::none, #key, text)
#define SCHEDULE(key, text) \
  row<&Config::schedule, &ScheduleSpec::key>("schedule", Part::none, #key, text)
#define TRAIN(key, text) row<&Config::train, &TrainSpec::key>("train", Part::none, #key, text)
#define LOG(key, text) row<&Config::log, &LogSpec::key>("log", Part::none, #key, text)

// The keys of the run itself and of its data.
std::vector<Key> data_keys() {
  return {
      TOP(name, "the run's name: its folder is runs/<name>").with(Effect::none),
      TOP(task, "multi-label: any number per picture; single-label: exactly one; zero-shot: "
                "any number, and validation has further classes"),
      TOP(seed, "seed of all random numbers").within(0, 9.2e18),
      TOP(threads, "compute threads; 0 = all cores").within(0, 4096).with(Effect::none),
      TOP(device, "auto, cpu, cuda or cuda:N").with(Effect::none),

      DATA(format, "how the data is stored; auto looks at the folder").one_of(data_format_names()),
      DATA(root, "the data's folder, relative to the config file").with(Effect::place),
      DATA(train, "the training split; \"\" = the format's usual name").or_path(),
      DATA(val, "the validation split; \"\" = the format's usual name").or_path(),
      DATA(test, "the test split; \"\" = the format's usual name").with(Effect::none),
      PICTURES(image_size, "side of the square the model sees, pixels")
          .within(Preprocess::kLeastSize, Preprocess::kMostSize),
      PICTURES(eval_size, "the same for validation and prediction; 0 = image_size")
          .within(0, Preprocess::kMostSize),
      PICTURES(resize, "into a square: squash (as published), crop the centre, or pad"),
      PICTURES(interpolation, "interpolation when resizing").one_of({"bilinear", "bicubic"}),
      PICTURES(crop_pct, "resize to image_size / crop_pct, then crop (timm)").within(0.1, 1),
      PICTURES(normalize, "none: values in [0, 1]; imagenet: (values - its mean) / its deviation; "
                          "inception: values in [-1, 1] (EfficientNet-Lite); clip: as imagenet, "
                          "with CLIP's numbers"),
      PICTURES(exif, "the rotation that EXIF asks for: ignore it, or turn the picture upright"),
      PICTURES(background, "the colour behind transparent pixels; \"\" = transparency is ignored"),
      DATA(unlabelled, "pictures without labels: leave them out, or keep them as negatives"),
      DATA(difficult, "training on VOC: a difficult object counts as present, or as unknown"),
      DATA(label_separator, "csv: what separates the labels in a cell; none: a cell is one label"),
      DATA(columns, "csv: one word per column: path, labels, split, class (0 or 1) or -"),
      DATA(untagged_weight, "open_images, training: weight of a class that nobody looked for")
          .within(0, 1),
      DATA(machine_confidence, "open_images, training: least confidence of machine labels; 0: none")
          .within(0, 1),
      DATA(unseen, "zero-shot: the unseen classes: a .json with \"test class\", a .txt, or a list")
          .or_path(),
      DATA(seen, "zero-shot: the seen classes: a .txt, or a list; \"\" = all that are not unseen")
          .or_path(),
      DATA(vectors, "word vectors of the classes: text (GloVe, word2vec, .vec) or .safetensors")
          .with(Effect::place),
      DATA(vector_norm, "word vectors: unit = divide each by its length; keep = as in the file"),
      LOADING(on_bad_image, "a damaged picture: stop, or skip it and count it"),
      LOADING(max_bad_fraction, "stop when more than this fraction of the pictures are skipped")
          .within(0, 1),
      LOADING(max_pixels, "pictures with more pixels than this count as bad").within(1, kMaxCount),
      LOADING(workers, "threads that load pictures; -1 = automatic; results do not depend on it")
          .within(-1, 1024)
          .with(Effect::none),
      DATA(train_size, "use the first N; shapes: draw N; 0 = all (shapes: 20000)")
          .within(0, kMaxCount),
      DATA(val_size, "use the first N; shapes: draw N; 0 = all (shapes: 2000)")
          .within(0, kMaxCount),
      DATA(val_fraction, "no val split: this fraction of train becomes it, by seed, stratified")
          .within(0, 0.9),
      DATA(val_list, "a text file of train's pictures that become val, one path a line")
          .with(Effect::place),
  };
}

std::vector<Key> augment_keys() {
  return {
      AUGMENT(hflip, "probability of a horizontal flip").within(0, 1),
      AUGMENT(crop_scale, "random resized crop: smallest and largest area kept; [] = no crop")
          .within(0, 1),
      AUGMENT(cutout, "side of the square cut out, as a fraction; 0 = off").within(0, 1),
      AUGMENT(aa, "automatic augmentation; randaugment: that package's; rand-...: timm's"),
      AUGMENT(reprob, "probability of random erasing").within(0, 1),
      AUGMENT(remode, "random erasing with the mean colour, a random one, or random pixels"),
      AUGMENT(mixup, "blend pictures of a batch: the beta distribution's parameter; 0 = off")
          .within(0, 4),
      AUGMENT(cutmix, "paste boxes of each other: the beta distribution's parameter; 0 = off")
          .within(0, 4),
      AUGMENT(mix_prob, "probability that a batch is mixed, if mixup or cutmix is on").within(0, 1),
      AUGMENT(repeats, "visits of a sample in a row, each augmented anew; fewer samples an epoch")
          .within(1, 16),
  };
}

// The keys of the model and its loss.
std::vector<Key> model_keys() {
  return {
      MODEL(backbone, "the feature extractor").one_of(names_of(backbones())),
      MODEL(head, "gap: average pooling; transformer_decoder: one query per class; sdl: zero-shot; "
                  "clip_decoder: classes by prompts, see [clip]")
          .one_of(names_of(heads())),
      MODEL(groups, "ml_decoder: queries; -1 = 100, with nlp one per class; at most that")
          .within(-1, 1e6),
      MODEL(embed_dim, "decoders: width, a multiple of their 8 attention heads")
          .within(8, 65536),
      MODEL(query, "ml_decoder: queries fixed at random, learned, or from the classes' words"),
      MODEL(pooling, "ml_decoder: logits by learned weights of each class, shared ones, or words"),
      MODEL(query_relu, "ml_decoder, nlp with several classes a query: ReLU behind the projection"),
      MODEL(noise_std, "ml_decoder, training: deviation of noise on queries or words; 0 = off")
          .within(0, 10),
      MODEL(query_cutout, "ml_decoder, training: fraction of queries' or words' numbers set to 0")
          .within(0, 0.99),
      MODEL(num_random, "ml_decoder, training: random queries added to every batch; 0 = off")
          .within(0, 1e5),
      MODEL(random_target, "random queries: their own logits are 1, or one says they are random"),
      MODEL(principal_vectors, "sdl: vectors that a picture becomes").within(1, 1000),
      MODEL(dropout, "decoders: dropout inside the decoder layer").within(0, 0.99),
      MODEL(drop_path, "probability that a picture loses the last residual branch")
          .within(0, 0.99),
      INIT(init, "a checkpoint or run folder to start from, or another program's weights "
                 "(safetensors, .pth); \"\" = from scratch")
          .with(Effect::place),
      INIT(init_policy, "tensors of init to use: all, all of the backbone, or those that match"),

      LOSS(name, "asl_mild and focal are asl with other defaults; single-label: ce, asl_single")
          .one_of(names_of(losses())),
      LOSS(gamma_neg, "asl: focusing of negatives").within(0, 20),
      LOSS(gamma_pos, "asl: focusing of positives").within(0, 20),
      LOSS(clip, "asl, multi-label: probability margin of negatives").within(0, 0.99),
      LOSS(eps, "asl, multi-label: smallest argument of a logarithm").within(1e-30, 0.1),
      LOSS(detach_weights, "asl, multi-label: no gradient through the focusing weights"),
      LOSS(reduction, "asl, multi-label: the sum over a batch, or that per picture"),
      LOSS(variance_weight, "sdl: share of the vectors' variance in the loss; 0 = left out")
          .within(0, 1),
      LOSS(unknown_weight, "weight of an unknown label, which counts as absent; 0 = left out")
          .within(0, 1),
      LOSS(class_weights, "one number per class that multiplies its losses; [] = none")
          .within(0, 1e6),
      LOSS(smoothing, "single-label: label smoothing").within(0, 0.99),
      LOSS(target_threshold, "bce: targets above this become 1, others 0; 0 = off")
          .within(0, 0.999),
  };
}

// The keys of CLIP-Decoder's texts.
std::vector<Key> clip_keys() {
  return {
      CLIP(prompt, "clip_decoder: what its text encoder reads of a label, which replaces the {}"),
      CAPTIONS(vocabulary, "CLIP's file of merges, bpe_simple_vocab_16e6.txt.gz")
          .with(Effect::place),
      CLIP(text_width, "the text encoder's width, a multiple of 64").within(64, 65536),
      CLIP(text_layers, "its layers").within(1, 1000),
      CLIP(text_embed, "the width of its features").within(1, 65536),
      row<&Config::init, &InitSpec::clip_weights>(
          "clip", Part::none, "weights",
          "CLIP's weights, for the text encoder and (without model.init) a clip_ backbone")
          .with(Effect::place),
      CLIP(train_text, "train the text encoder too, without weight decay"),
      CLIP(normalize_text, "the classes' features are divided by their lengths"),
      CAPTIONS(alpha, "weight of the contrastive loss of pictures and captions").within(0, 1e6),
      CAPTIONS(beta, "weight of the classes' loss").within(0, 1e6),
      CAPTIONS(equal_captions, "pictures with the same caption belong together, not apart"),
      CLIP(fork_compat, "projections and scale of the contrastive loss as in the published code: "
                        "drawn from N(0, 1) and exp(0.1), not trained"),
  };
}

std::vector<Key> training_keys() {
  return {
      OPTIM(name, "adam_l2: as published, decay in the gradient; lamb: timm's; lamb_v3: older")
          .one_of(names_of(optimizers())),
      OPTIM(lr, "the schedule's largest learning rate").within(0, 1e3),
      OPTIM(weight_decay, "for tensors that are neither 1-D nor biases").within(0, 1e3),
      OPTIM(betas, "Adam, LAMB; onecycle cycles the first from 0.95 to 0.85 and back")
          .within(0, 0.999999),
      OPTIM(eps, "Adam, LAMB; 0 = the optimiser's own (1e-8; LAMB 1e-6)").within(0, 1),
      OPTIM(momentum, "sgd, in Nesterov's form; onecycle cycles it").within(0, 0.999999),
      OPTIM(layer_decay, "factor of the learning rate from each layer, from the head, to the next")
          .within(0.01, 1),
      OPTIM(clip_grad, "largest norm, over all gradients together; 0 = off").within(0, kAny),
      OPTIM(grad_accum_steps, "parts that a batch is computed in, to save memory").within(1, 1e6),

      SCHEDULE(name, "how the learning rate changes over the run").one_of(names_of(schedules())),
      SCHEDULE(pct_start, "onecycle: fraction of the run in which the rate rises").within(0, 1),
      SCHEDULE(warmup_epochs, "all but onecycle: epochs from warmup_lr to lr").within(0, 1e6),
      SCHEDULE(warmup_lr, "all but onecycle: rate at the start of the warm-up").within(0, 1e3),
      SCHEDULE(min_lr, "cosine: learning rate at the end").within(0, 1e3),
      SCHEDULE(step_epochs, "step: epochs between two falls of the rate").within(1, 1e6),
      SCHEDULE(step_factor, "step: what the rate is multiplied by each time").within(0, 1),
      SCHEDULE(cooldown_epochs, "cosine: epochs at min_lr after train.epochs").within(0, 1e6),

      TRAIN(epochs, "passes over the training split; may be raised on resume")
          .within(1, 1e6)
          .with(Effect::length),
      TRAIN(batch_size, "pictures per update, over all parts and devices").within(1, 1e6),
      TRAIN(freeze, "not trained, nor its statistics: backbone, or names (conv1,bn1); \"\" = none"),
      TRAIN(precision, "of activations; parameters always stay float32"),
      TRAIN(model_ema_decay, "decay of the averaged weights (EMA); 0 = none").within(0, 0.9999999),
      TRAIN(patience, "end after N validations without a better metric; 0 = never; may be raised")
          .within(0, 1e6)
          .with(Effect::length),
      TRAIN(val_interval, "validate every N epochs, and after the last").within(1, 1e6),
      TRAIN(checkpoint_minutes, "minutes between saves; every epoch's end is saved too")
          .within(0, kAny)
          .with(Effect::none),
      TRAIN(best_metric, "the metric on val that decides which weights are the best")
          .one_of(best_metric_names()),
      TRAIN(deterministic, "same bits in every run; false: a GPU picks its fastest algorithms")
          .with(Effect::none),
      TRAIN(cuda_graph, "on a GPU: capture an update's launches once and replay them")
          .with(Effect::none),

      LOG(tensorboard, "event files for TensorBoard; auto: if this build can write them")
          .with(Effect::none),
      LOG(pr_curves, "event files: classes with a precision-recall curve, the commonest ones")
          .within(0, 1e6)
          .with(Effect::none),
      LOG(mlflow, "folder of an MLflow file store that the run is added to; \"\" = none")
          .with(Effect::place),
      LOG(mlflow_experiment, "the experiment there; it is made if there is none of this name")
          .with(Effect::none),
  };
}

// Keys of a checkpoint's model that are not config keys.
std::vector<Key> hidden_model_keys() {
  return {MODEL(classes, "").within(1, kMaxCount), MODEL(ffn, "").within(1, kMaxCount),
          MODEL(word_dim, "").within(0, kMaxCount)};
}

const std::vector<Key>& table() {
  static const std::vector<Key> keys = [] {
    std::vector<Key> all = data_keys();
    for (const std::vector<Key>& more :
         {augment_keys(), model_keys(), clip_keys(), training_keys()}) {
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }();
  return keys;
}

}  // namespace

std::string Key::full_name() const {
  return section.empty() ? std::string(name) : fmt::format("{}.{}", section, name);
}

std::span<const Key> config_keys() { return table(); }

std::vector<Key> part_keys(Part part) {
  std::vector<Key> keys = part == Part::model ? hidden_model_keys() : std::vector<Key>{};
  std::copy_if(table().begin(), table().end(), std::back_inserter(keys),
               [&](const Key& key) { return key.part == part; });
  return keys;
}

std::span<const std::string_view> config_sections() {
  static const std::vector<std::string_view> sections = [] {
    std::vector<std::string_view> found;
    for (const Key& key : table()) {
      if (!key.section.empty() && (found.empty() || found.back() != key.section)) {
        found.push_back(key.section);
      }
    }
    return found;
  }();
  return sections;
}

const Key* find_key(std::string_view section, std::string_view name) {
  const auto found = std::find_if(table().begin(), table().end(), [&](const Key& key) {
    return key.section == section && key.name == name;
  });
  return found == table().end() ? nullptr : &*found;
}

}  // namespace mld
