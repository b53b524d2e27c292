// mlinfer: evaluates a trained classifier, labels pictures with it, describes it.
#include "app/infer.h"
#include "app/program.h"

int main(int argc, char** argv) {
  return mld::run_program("mlinfer", argc, argv, [](const std::vector<std::string>& arguments) {
    return std::visit([](const auto& command) { return mld::execute(command); },
                      mld::parse_mlinfer(arguments));
  });
}
