/** Said by the process outside a box when it leaves and the node is to live on. */
export const farewell = 'detach';

/** Said by it when the box is made. */
export const welcome = 'made';
