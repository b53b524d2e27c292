// Kinds that have a source file of their own beside their group's.
#pragma once

#include "tests/parity/fixture.h"

namespace mld::parity {

void run_nus_csv(Fixture& fixture);    // misc/nus_csv
void run_operators(Fixture& fixture);  // misc/operators

}  // namespace mld::parity
