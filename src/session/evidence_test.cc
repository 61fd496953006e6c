#include "session/evidence.h"

#include <gtest/gtest.h>
