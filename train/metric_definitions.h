// What the metrics in reports mean.
#pragma once

#include <map>
#include <string>

namespace mld {

// Every metric of evaluation_json(), for any task, with the words of evaluation_text().
std::map<std::string, std::string> metric_definitions();

}  // namespace mld
