"""What tests of deploy/ need: the products that it is for, started or asked, and what its files say."""
