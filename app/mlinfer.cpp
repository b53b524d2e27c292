// mlinfer: evaluates a trained classifier, labels pictures with it, describes it.
#include <cstdio>

#include "app/cli.h"
#include "app/infer.h"
#include "app/program.h"

namespace mld {
namespace {

ExitCode run(const std::vector<std::string>& arguments) {
  const MlinferCommand command = parse_mlinfer(arguments);
  if (const auto* eval = std::get_if<EvalCommand>(&command)) {
    return eval_command(*eval);
  }
  if (const auto* predict = std::get_if<PredictCommand>(&command)) {
    return predict_command(*predict);
  }
  if (const auto* info = std::get_if<InfoCommand>(&command)) {
    return info_command(*info);
  }
  std::fputs(std::get<PrintText>(command).text.c_str(), stdout);
  return ExitCode::ok;
}

}  // namespace
}  // namespace mld

int main(int, char** argv) { return mld::run_program("mlinfer", argv, mld::run); }
