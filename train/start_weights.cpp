#include "train/start_weights.h"

#include "data/text.h"
#include "models/clip_decoder.h"
#include "train/finite.h"
#include "train/run_folder.h"

namespace mld {

static void check_classes(const std::vector<std::string>& file,
                          const std::vector<std::string>& data, const std::string& checkpoint) {
  constexpr const char* kAdvice = "model.init_policy = \"backbone\" leaves the head out";
  require<DataError>(file.size() == data.size(),
                     "{}: the checkpoint has {} classes, the data {}; {}", checkpoint, file.size(),
                     data.size(), kAdvice);
  for (size_t i = 0; i < file.size(); ++i) {
    require<DataError>(file[i] == data[i],
                       "{}: class {} is '{}' in the checkpoint and '{}' in the data; {}",
                       checkpoint, i, printable(file[i]), printable(data[i]), kAdvice);
  }
}

// `state`: the file's tensors.
static PretrainedReport load_from(const CheckpointFile& file, std::span<const StateView> state,
                                  Classifier& model, InitPolicy policy) {
  PretrainedReport report = load_pretrained(model, state, policy);
  report.entry = file.pth() != nullptr ? printable(file.pth()->entry()) : "";
  check_weights(model);
  return report;
}

PretrainedReport init_from_checkpoint(Classifier& model, const InitSpec& spec,
                                      const std::vector<std::string>& class_names) {
  CheckpointFile file(weights_file(spec.init));
  if (file.ours()) {
    require_model(file);
  }
  if (spec.init_policy == InitPolicy::strict) {
    if (file.ours()) {
      const CheckpointInfo info = checkpoint_info(file.metadata(), file.path());
      if (!by_words_alone(info.model)) {  // some of its parameters belong to single classes
        check_classes(seen_part(info.label_space()).names, class_names, file.path());
      }
    } else if (file.pth() != nullptr && !file.pth()->class_names().empty()) {
      check_classes(file.pth()->class_names(), class_names, file.path());
    }
  }
  return in_file(file.path(), [&] {
    return load_from(file, file.tensors(), model, spec.init_policy);
  });
}

// The text encoder of CLIP's weights, and the image encoder if the backbone is one and has no other
// weights.
static std::string init_from_clip(Classifier& model, const InitSpec& spec) {
  auto* head = dynamic_cast<ClipDecoder*>(model.head.get());
  require<UsageError>(head != nullptr,
                      "clip.weights needs a model with a text encoder: model.head clip_decoder; "
                      "for the backbone alone use model.init");
  CheckpointFile file(weights_file(spec.clip_weights));
  return in_file(file.path(), [&] {
    const std::vector<StateView> state = file.tensors();
    load_clip_text(*head, state);
    std::string loaded = "text encoder loaded";
    if (spec.init.empty() && model.spec.backbone.starts_with("clip_")) {
      loaded += "; backbone: " + load_from(file, state, model, InitPolicy::backbone).text();
    }
    check_weights(model);
    return spec.clip_weights + ": " + loaded;
  });
}

bool has_start_weights(const InitSpec& spec) {
  return !spec.init.empty() || !spec.clip_weights.empty();
}

std::vector<std::string> load_start_weights(Classifier& model, const InitSpec& spec,
                                            const std::vector<std::string>& class_names) {
  std::vector<std::string> loaded;
  if (!spec.init.empty()) {
    loaded.push_back(spec.init + ": " + init_from_checkpoint(model, spec, class_names).text());
  }
  if (!spec.clip_weights.empty()) {
    loaded.push_back(init_from_clip(model, spec));
  }
  return loaded;
}

// Names for the model's classes. Errors: DataError for too few or too many.
static std::vector<std::string> names_for(const CheckpointFile& file, const ForeignInfo& info,
                                          int64_t classes) {
  std::vector<std::string> names = info.class_names;
  if (names.empty() && file.pth() != nullptr) {
    names = file.pth()->class_names();
  }
  if (names.empty()) {
    for (int64_t i = 0; i < classes; ++i) {
      names.push_back(std::to_string(i));
    }
  }
  require<DataError>(static_cast<int64_t>(names.size()) == classes,
                     "{}: {} class names for a model of {} classes", file.path(), names.size(),
                     classes);
  return names;
}

ForeignModel model_from_weights(const std::filesystem::path& path, const ForeignInfo& info) {
  CheckpointFile file(weights_file(path));
  ForeignModel loaded;
  loaded.info.preprocess = info.preprocess;
  loaded.info.task = info.task;
  in_file(file.path(), [&] {
    const std::vector<StateView> state = file.tensors();
    loaded.info.model = model_of(state, info.backbone);
    auto model = make_model(loaded.info.model);
    loaded.report = load_from(file, state, *model, InitPolicy::strict);
    loaded.model = std::move(model);
  });
  if (!info.own_normalize) {
    loaded.info.preprocess.normalize = backbone_row(loaded.info.model).trained_with;
  }
  loaded.info.class_names = names_for(file, info, loaded.info.model.classes);
  return loaded;
}

}  // namespace mld
