// mlinfer info: what a checkpoint holds, or what a model costs.
#include <cstdio>

#include "app/infer.h"
#include "data/text.h"
#include "train/checkpoint.h"
#include "train/log.h"

namespace mld {

static void print_summary(const ModelSpec& spec, int64_t image_size) {
  const ModelSummary summary = model_summary(spec, image_size);
  std::printf("model       %s + %s, %ld classes\n", spec.backbone.c_str(), spec.head.c_str(),
              static_cast<long>(spec.classes));
  std::printf("input       [N, %ld, %ld, 3]\n", static_cast<long>(image_size),
              static_cast<long>(image_size));
  std::printf("parameters  %ld (%.2f M), %ld trained\n", static_cast<long>(summary.parameters),
              static_cast<double>(summary.parameters) / 1e6, static_cast<long>(summary.trainable));
  std::printf("GMACs       %.3f a picture\n", static_cast<double>(summary.macs.total()) / 1e9);
  std::printf("\n%-10s %-22s %8s\n", "stage", "output", "GMACs");
  for (const StageSummary& stage : summary.stages) {
    std::printf("%-10s %-22s %8.3f\n", std::string(stage.name).c_str(), stage.out.str().c_str(),
                static_cast<double>(stage.macs.total()) / 1e9);
  }
}

ExitCode info_command(const InfoCommand& command) {
  if (command.checkpoint.empty()) {
    print_summary({.backbone = command.model, .head = command.head, .classes = command.classes},
                  command.image_size);
    return ExitCode::ok;
  }
  const CheckpointInfo info = read_checkpoint_info(command.checkpoint);
  std::printf("checkpoint  %s\n", printable(command.checkpoint).c_str());
  const auto text = [](auto value) { return std::string(word(value)); };
  const Preprocess& p = info.preprocess;
  std::printf("task        %s, %s weights\n", text(info.task).c_str(), info.weights.c_str());
  std::printf("pictures    %ld px, %s, %s, normalize %s\n", static_cast<long>(p.image_size),
              text(p.resize).c_str(), text(p.interpolation).c_str(), text(p.normalize).c_str());
  for (const auto& [name, value] : info.metrics) {
    std::printf("%-11s %g\n", printable(name).c_str(), value);
  }
  print_summary(info.model, p.image_size);
  std::printf("\nclasses     ");
  for (size_t i = 0; i < info.class_names.size(); ++i) {
    std::printf("%s%s", i ? ", " : "", printable(info.class_names[i]).c_str());
  }
  std::printf("\n\n%s\n", printable_lines(info.config).c_str());
  return ExitCode::ok;
}

}  // namespace mld
