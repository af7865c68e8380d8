/** Linux gives programs processor time in units of 1/100 s on all its common architectures (USER_HZ, proc(5)). */
export const msPerTick = 10;
