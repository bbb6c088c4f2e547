/* SPDX-License-Identifier: MIT */
/* Runs the suites. A run in which nothing was checked is a failure: Check itself calls a misspelt suite a success. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define SUITE(name) Suite *name##_suite(void);
#include "suites.def"
#undef SUITE

int main(void)
{
    SRunner *runner = srunner_create(NULL);
#define SUITE(name) srunner_add_suite(runner, name##_suite());
#include "suites.def"
#undef SUITE
    srunner_run_all(runner, CK_ENV);
    int run = srunner_ntests_run(runner);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (run == 0)
        fprintf(stderr, "no test was run: CK_RUN_SUITE=%s?\n", getenv("CK_RUN_SUITE"));
    return run == 0 || failed != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
