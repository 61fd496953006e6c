#include "session/join.h"

#include <gtest/gtest.h>
